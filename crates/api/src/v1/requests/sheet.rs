//! What locations have to do on one sheet: as CSV and as a list to print. Every page of it, up to a bound that is told.

use axum::http::HeaderValue;
use axum::response::Response;

use super::{RequestQuery, RequestRowDoc, SheetQuery, rows};
use crate::answer::{self, Answered};
use crate::ask::Asking;
use crate::cells;
use crate::error::ApiError;
use crate::extract::Filter;
use crate::v1::consistent::PAGE_MAX;
use crate::v1::orders::AddressDoc;

/// Requests on one sheet at most.
const REQUESTS_MAX: usize = 10_000;

/// A sheet, and where the next one begins if this was cut.
struct Sheet {
    rows: Vec<RequestRowDoc>,
    next: Option<String>,
}

async fn sheet(asking: &Asking, query: &SheetQuery) -> Result<Sheet, ApiError> {
    let (mut found, mut next) = (Vec::new(), query.cursor.clone());
    loop {
        let query = RequestQuery {
            order: query.order.clone(),
            location: query.location.clone(),
            status: Some(query.status.clone().unwrap_or_else(|| "open".to_owned())),
            cursor: next.take(),
            limit: Some(PAGE_MAX),
            consistent_with: query.consistent_with.clone(),
        };
        let page = rows(asking, query).await?;
        found.extend(page.items);
        next = page.next_cursor;
        if next.is_none() || found.len() >= REQUESTS_MAX {
            return Ok(Sheet { rows: found, next });
        }
    }
}

impl Sheet {
    fn warning(&self) -> Option<String> {
        let next = self.next.as_deref()?;
        Some(format!(
            "CUT after {} requests: name a location, or go on with cursor={next}",
            self.rows.len()
        ))
    }

    /// A response that says whether it is whole, also to programs.
    fn answer(&self, kind: &'static str, body: String) -> Response {
        let mut response = answer::text(kind, body);
        let next = self.next.as_deref();
        if let Some(next) = next.and_then(|next| HeaderValue::from_str(next).ok()) {
            response.headers_mut().insert("crossdock-next-cursor", next);
        }
        response
    }
}

const HEAD: [&str; 21] = [
    "order",
    "name",
    "request",
    "location",
    "status",
    "line",
    "sku",
    "units",
    "service_level",
    "ship_by",
    "acknowledge_by",
    "created_at",
    "ship_to_name",
    "company",
    "address1",
    "address2",
    "postal_code",
    "city",
    "state",
    "country",
    "phone",
];

pub(super) async fn table(asking: Asking, Filter(query): Filter<SheetQuery>) -> Answered<Response> {
    let sheet = sheet(&asking, &query).await?;
    let lines = sheet
        .rows
        .iter()
        .flat_map(|row| row.lines.iter().map(move |line| (row, line)));
    let cells = lines.map(|(row, line)| {
        let to = |read: fn(&AddressDoc) -> &Option<String>| {
            let to = row.ship_to.as_ref();
            to.and_then(|to| read(to).clone()).unwrap_or_default()
        };
        vec![
            row.order.clone(),
            row.name.clone(),
            row.request.to_string(),
            row.location.clone(),
            row.status.clone(),
            line.line.clone(),
            line.sku.clone(),
            line.units.to_string(),
            row.service_level.clone().unwrap_or_default(),
            row.ship_by.map(|at| at.to_string()).unwrap_or_default(),
            row.acknowledge_by.to_string(),
            row.created_at.to_string(),
            to(|to| &to.name),
            to(|to| &to.company),
            to(|to| &to.address1),
            to(|to| &to.address2),
            to(|to| &to.postal_code),
            to(|to| &to.city),
            to(|to| &to.state),
            to(|to| &to.country),
            to(|to| &to.phone),
        ]
    });
    let cut = sheet.warning().map(|warning| {
        let mut line = vec![String::new(); HEAD.len()];
        line[0] = warning;
        line
    });
    let text = cells::write(&HEAD, cells.chain(cut));
    Ok(sheet.answer("text/csv; charset=utf-8", text))
}

pub(super) async fn pick_list(
    asking: Asking,
    Filter(query): Filter<SheetQuery>,
) -> Answered<Response> {
    let title = query.location.as_deref().unwrap_or("all locations");
    let sheet = sheet(&asking, &query).await?;
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Pick list</title>\
         <style>body{{font-family:sans-serif}}table{{border-collapse:collapse;width:100%}}\
         td,th{{border:1px solid #999;padding:4px;text-align:left;vertical-align:top}}</style>\
         <h1>Pick list: {}</h1><p>{}</p><table><tr><th>Order<th>Request<th>Location<th>Service<th>Ship by<th>Ship to\
         <th>SKU<th>Units<th>Picked",
        escaped(title),
        escaped(
            &sheet
                .warning()
                .unwrap_or_else(|| format!("{} requests", sheet.rows.len()))
        ),
    );
    for row in &sheet.rows {
        for line in &row.lines {
            let cells = [
                row.name.clone(),
                format!("{} / {}", row.order, row.request),
                row.location.clone(),
                row.service_level.clone().unwrap_or_default(),
                row.ship_by.map(|at| at.to_string()).unwrap_or_default(),
                row.ship_to.as_ref().map(one_line).unwrap_or_default(),
                line.sku.clone(),
                line.units.to_string(),
                String::new(),
            ];
            html.push_str("<tr>");
            for cell in cells {
                html.push_str("<td>");
                html.push_str(&escaped(&cell));
            }
        }
    }
    html.push_str("</table>");
    Ok(sheet.answer("text/html; charset=utf-8", html))
}

fn one_line(to: &AddressDoc) -> String {
    let parts = [
        &to.name,
        &to.company,
        &to.address1,
        &to.address2,
        &to.postal_code,
        &to.city,
        &to.state,
        &to.country,
        &to.phone,
    ];
    let filled: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    filled.join(", ")
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
