//! Lists inside of things: what is not answered with the thing is read page by page.

use serde_json::{Value, json};

use super::{Admin, AdminError, Reply, next_page, payload};
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
        list: &str,
        document: &str,
    ) -> Result<(), AdminError> {
        let id = thing["id"].clone();
        for _ in 0..PAGES_MAX {
            let info = &thing[list]["pageInfo"];
            if info["hasNextPage"] != true {
                return Ok(());
            }
            let (about, after) = (json!({ "id": id }), info["endCursor"].as_str());
            let after = after.unwrap_or_default().to_owned();
            let mut reply = self.page_patiently(document, about, &after).await?;
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

    /// Waits for the budget: a thing that was read in part would cost all of it again from its beginning.
    async fn page_patiently(
        &self,
        document: &str,
        about: Value,
        after: &str,
    ) -> Result<Reply, CallError> {
        let mut tries = 1;
        loop {
            match self.page(document, about.clone(), Some(after)).await {
                Err(CallError::Throttled { retry_after }) if tries < TRIES_MAX => {
                    tries += 1;
                    self.points.pause(retry_after).await;
                }
                called => return called,
            }
        }
    }
}
