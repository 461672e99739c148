//! Shopify: webhooks in, signed over the raw body; calls of the Admin API out.
//!
//! Sources: <https://shopify.dev/docs/apps/build/webhooks>, the REST order resource of Admin API 2026-10.

pub mod admin;
mod export;
mod order;
mod refund;
mod templates;
mod topics;
mod verify;

pub use export::{ExportProblem, read_export};
pub use templates::{TemplateLine, TemplateOptions, headers, template};
pub use topics::{READ, TOPICS, map, told_level};
pub use verify::{sign, verify};

/// How listings are called that the shop counts; others are variants, which its orders name.
pub const COUNTED: &str = "inventory_item:";

#[cfg(test)]
mod tests;
