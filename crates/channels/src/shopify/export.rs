//! Orders of an export: JSON (a list, `{"orders": […]}` or one order a line) and the shop's CSV.

use std::collections::BTreeMap;

use crossdock_model::v1::Destination;
use crossdock_model::{ExternalId, LineId, Money, Timestamp};
use serde_json::Value;

use super::order;
use crate::buyer::{Address, Buyer};
use crate::fields::{MapError, Part, timestamp};
use crate::inbound::{ChannelLine, ChannelOrder};
use crate::shipping::Promise;

/// An order of an export that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportProblem {
    /// Line of the file, or number of the order in a list, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Reads an export. Each order stands or falls by itself.
#[must_use]
pub fn read_export(bytes: &[u8]) -> Vec<Result<ChannelOrder, ExportProblem>> {
    let start = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    match start {
        Some(b'[' | b'{') => json_orders(bytes),
        Some(_) => csv_orders(bytes),
        None => Vec::new(),
    }
}

fn json_orders(bytes: &[u8]) -> Vec<Result<ChannelOrder, ExportProblem>> {
    let whole: Option<Value> = serde_json::from_slice(bytes).ok();
    let listed = whole.and_then(|value| match value {
        Value::Array(orders) => Some(orders),
        Value::Object(mut fields) => match fields.remove("orders") {
            Some(Value::Array(orders)) => Some(orders),
            Some(_) => None,
            None => Some(vec![Value::Object(fields)]),
        },
        _ => None,
    });
    let read = |(line, value): (usize, Result<Value, String>)| {
        let problem = |what: String| ExportProblem { line, what };
        let value = value.map_err(problem)?;
        let read = Part::root(&value).and_then(|root| {
            let order = order::read(&root)?;
            says_what_was_sent(&root, &order)?;
            Ok(order)
        });
        read.map_err(|e| ExportProblem {
            line,
            what: e.to_string(),
        })
    };
    match listed {
        Some(orders) => (1..).zip(orders.into_iter().map(Ok)).map(read).collect(),
        None => {
            let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            let filled = (1..).zip(lines).filter(|(_, line)| !line.is_empty());
            filled
                .map(|(at, line)| {
                    read((at, serde_json::from_slice(line).map_err(|e| e.to_string())))
                })
                .collect()
        }
    }
}

/// Refuses an order of which more has left than its fulfilments say: released, it would be sent again.
fn says_what_was_sent(root: &Part<'_>, order: &ChannelOrder) -> Result<(), MapError> {
    let all_left = root.text("fulfillment_status").as_deref() == Some("fulfilled");
    for (part, (line, left)) in root.list("line_items")?.iter().zip(order.left_to_send()) {
        let stated = part.get("fulfillable_quantity");
        let stated = stated.map(|units| units.units()).transpose()?;
        if line.ships && left > 0 && (all_left || stated.is_some_and(|stated| stated < left)) {
            let problem = "was sent at least in part, and `fulfillments` does not say so: export it with its fulfilments";
            return Err(part.wrong(problem));
        }
    }
    Ok(())
}

type Row = BTreeMap<String, String>;

/// Several rows an order: the first has the order's fields, each has a line.
fn csv_orders(bytes: &[u8]) -> Vec<Result<ChannelOrder, ExportProblem>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let mut orders: Vec<(usize, Vec<Row>)> = Vec::new();
    let mut problems = Vec::new();
    for (line, row) in (2..).zip(reader.deserialize::<Row>()) {
        match row {
            Ok(row) => match orders.last_mut() {
                Some((_, rows)) if rows[0].get("Name") == row.get("Name") => rows.push(row),
                Some(_) | None => orders.push((line, vec![row])),
            },
            Err(error) => problems.push(Err(ExportProblem {
                line,
                what: error.to_string(),
            })),
        }
    }
    let read = |(line, rows): (usize, Vec<Row>)| {
        csv_order(&rows).map_err(|what| ExportProblem { line, what })
    };
    orders.into_iter().map(read).chain(problems).collect()
}

fn field<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    row.get(name)
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
}

fn csv_order(rows: &[Row]) -> Result<ChannelOrder, String> {
    let first = rows.first().ok_or("no rows")?;
    let need = |name: &str| {
        field(first, name).ok_or_else(|| format!("column {name:?} is missing or empty"))
    };
    let time = |name: &str| -> Result<Option<Timestamp>, String> {
        let text = field(first, name);
        text.map(|text| timestamp(text).ok_or_else(|| format!("{name}: {text:?} is not a time")))
            .transpose()
    };
    let placed_at = time("Created at")?.ok_or("column \"Created at\" is missing or empty")?;
    let external = ExternalId::new(need("Id")?).map_err(|e| e.to_string())?;
    let currency = field(first, "Currency").map(str::to_ascii_uppercase);
    let currency = currency.as_deref();
    let status = field(first, "Financial Status").unwrap_or("pending");
    let payment = order::payment_of(status);
    let payment = payment.ok_or_else(|| format!("Financial Status: {status:?} is unknown"))?;
    if status == "partially_refunded" {
        return Err(untold("which units were refunded"));
    }
    let lines: Result<Vec<ChannelLine>, String> = (1..)
        .zip(rows)
        .map(|(at, row)| csv_line(at, row, currency))
        .collect();
    let cancelled = time("Cancelled at")?.map(|at| (at, "cancelled in the export".to_owned()));
    Ok(ChannelOrder {
        name: need("Name")?.to_owned(),
        placed_at,
        updated_at: time("Paid at")?.unwrap_or(placed_at),
        lines: lines?,
        ship_to: Some(Destination {
            country: field(first, "Shipping Country")
                .unwrap_or_default()
                .to_uppercase(),
            state: field(first, "Shipping Province").map(str::to_owned),
            postal_prefix: field(first, "Shipping Zip")
                .map(|zip| zip.trim_start_matches('\'').chars().take(3).collect()),
            area: None,
            address_version: 0,
        }),
        shipping: field(first, "Shipping Method")
            .map(str::to_owned)
            .into_iter()
            .collect(),
        promised: Promise::default(),
        payment,
        cancelled,
        total: amount(first, "Total", currency)?,
        tags: Vec::new(),
        test: false,
        buyer: Some(csv_buyer(first, &external)),
        refunds: Vec::new(),
        shipped: Vec::new(),
        unshipped: Vec::new(),
        sent_by_channel: false,
        cancel_asked: None,
        external,
    })
}

/// What only the shop's JSON says.
fn untold(what: &str) -> String {
    format!("the CSV does not say {what}: export this order as JSON (GET /admin/api/orders.json)")
}

fn amount(row: &Row, name: &str, currency: Option<&str>) -> Result<Option<Money>, String> {
    let amount = field(row, name).zip(currency);
    let read = amount.map(|(text, currency)| Money::parse(text, currency));
    read.transpose().map_err(|e| format!("{name}: {e}"))
}

fn csv_line(at: usize, row: &Row, currency: Option<&str>) -> Result<ChannelLine, String> {
    let units = field(row, "Lineitem quantity").unwrap_or_default();
    let ordered_units: u32 = units
        .parse()
        .map_err(|_| format!("Lineitem quantity: {units:?} is no number"))?;
    let sent = match field(row, "Lineitem fulfillment status") {
        Some("partial") => return Err(untold("how many units were sent")),
        status => status == Some("fulfilled"),
    };
    Ok(ChannelLine {
        line: LineId::provisional(at),
        listing: None,
        sku: field(row, "Lineitem sku").map(str::to_owned),
        title: field(row, "Lineitem name").unwrap_or("line").to_owned(),
        ordered_units,
        cancelled_units: if sent { ordered_units } else { 0 },
        unit_price: amount(row, "Lineitem price", currency)?,
        ships: field(row, "Lineitem requires shipping") != Some("false"),
    })
}

fn csv_buyer(row: &Row, order: &ExternalId) -> Buyer {
    let text = |name: &str| field(row, name).map(str::to_owned);
    let key = field(row, "Email").map_or_else(|| format!("order:{order}"), str::to_lowercase);
    Buyer {
        key,
        name: text("Shipping Name").or_else(|| text("Billing Name")),
        email: text("Email"),
        phone: text("Phone").or_else(|| text("Shipping Phone")),
        ship_to: Some(Address {
            name: text("Shipping Name"),
            company: text("Shipping Company"),
            address1: text("Shipping Address1"),
            address2: text("Shipping Address2"),
            city: text("Shipping City"),
            state: text("Shipping Province"),
            postal_code: text("Shipping Zip"),
            country: text("Shipping Country"),
            phone: text("Shipping Phone"),
        }),
    }
}
