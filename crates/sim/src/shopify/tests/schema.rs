//! What is sent, held against an extract of the API's schema of 2026-10 from ../shared.

use std::collections::BTreeMap;

use crossdock_channels::shopify::admin::DOCUMENTS;
use serde_json::Value;

use super::super::graphql::{self, Field};

/// A field's arguments, and the name of its type.
type Signature = (Vec<String>, String);

/// Fields of each type, by its name.
type Schema = BTreeMap<String, BTreeMap<String, Signature>>;

fn schema(text: &str) -> Schema {
    let mut schema = Schema::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(name) = line
            .strip_prefix("type ")
            .and_then(|rest| rest.strip_suffix(" {"))
        {
            current = name.to_owned();
        }
        let Some((head, kind)) = line
            .strip_prefix("  ")
            .and_then(|line| line.rsplit_once(": "))
        else {
            continue;
        };
        let (name, arguments) = head.split_once('(').unwrap_or((head, ""));
        let arguments = arguments.trim_end_matches(')').split(", ");
        let arguments =
            arguments.filter_map(|argument| Some(argument.split_once(':')?.0.to_owned()));
        let kind = kind.trim_matches(['[', ']', '!']).to_owned();
        let fields = schema.entry(current.clone()).or_default();
        fields.insert(name.to_owned(), (arguments.collect(), kind));
    }
    schema
}

/// Every field of a type that the extract has must be one of the schema.
fn hold(schema: &Schema, kind: &str, field: &Field, checked: &mut usize) {
    let Some(fields) = schema.get(kind) else {
        return;
    };
    let signature = fields.get(&field.name);
    let (arguments, of) = signature.unwrap_or_else(|| panic!("{kind} has no {}", field.name));
    for name in field.arguments.keys() {
        assert!(
            arguments.contains(name),
            "{kind}.{} has no {name}",
            field.name
        );
    }
    *checked += 1;
    for below in &field.fields {
        hold(schema, of, below, checked);
    }
}

#[test]
fn documents_are_of_the_schema() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/fixtures/shopify-admin-2026-10-extract.graphql"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: ../shared absent");
        return;
    };
    let schema = schema(&text);
    let mut checked = 0;
    for document in DOCUMENTS {
        let field = graphql::parse(document, &Value::Null).unwrap();
        if document.starts_with("mutation") {
            hold(&schema, "Mutation", &field, &mut checked);
        }
    }
    assert!(checked > 25, "only {checked} fields");
}
