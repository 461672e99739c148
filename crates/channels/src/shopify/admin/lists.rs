//! Lists inside of things: what is not answered with the thing is read page by page.

use serde_json::{Value, json};

use super::{Admin, AdminError, PAGE_POINTS, Reply, next_page, payload};
use crate::outbound::CallError;

/// Pages of one list that are read.
const PAGES_MAX: usize = 20;
/// Times a page is asked for until the budget has room for it.
const TRIES_MAX: u32 = 10;

impl Admin {
    /// Adds to a list of a thing what its first page left out. `document` reads a page of `node`'s list of that name.
    pub(super) async fn complete(
        &self,
        thing: &mut Value,
        list: &'static str,
        document: &str,
    ) -> Result<(), AdminError> {
        let id = thing["id"].clone();
        for _ in 0..PAGES_MAX {
            let info = &thing[list]["pageInfo"];
            if info["hasNextPage"] != true {
                return Ok(());
            }
            let about =
                json!({ "id": id, "after": info["endCursor"].as_str().unwrap_or_default() });
            let mut reply = self.patiently(document, about, PAGE_POINTS).await?;
            next_page(&payload(&reply, "node")?.need(list)?)?;
            let mut page = reply.data["node"][list].take();
            let more = page["nodes"].as_array_mut().map(std::mem::take);
            if let (Some(known), Some(more)) = (thing[list]["nodes"].as_array_mut(), more) {
                known.extend(more);
            }
            thing[list]["pageInfo"] = page["pageInfo"].take();
        }
        Err(AdminError::Refused(format!(
            "{list} of {id} are too many to be read"
        )))
    }

    /// A further call about a thing, which costs that at most. It waits for the budget: what was read in part would cost all of
    /// it again from its beginning.
    pub(super) async fn patiently(
        &self,
        document: &str,
        about: Value,
        points: u32,
    ) -> Result<Reply, CallError> {
        let mut tries = 1;
        loop {
            self.points.take(points).await;
            match self.call(document, about.clone()).await {
                Err(CallError::Throttled { retry_after }) if tries < TRIES_MAX => {
                    tries += 1;
                    self.points.pause(retry_after).await;
                }
                called => return called,
            }
        }
    }
}
