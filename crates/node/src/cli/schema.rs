//! `schema`: the JSON Schema of the configuration, for editors and checks.

use serde_json::Value;

use super::exit::Outcome;
use super::target::Target;
use crate::config::Config;

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs it.
pub(crate) fn run(target: &Target, _args: &Args) -> Outcome {
    target.out().raw(schema_text().as_bytes());
    Ok(())
}

/// The schema as a value.
pub(crate) fn schema() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// The schema as it stands in `config/crossdock.schema.json`.
fn schema_text() -> String {
    format!("{:#}\n", schema())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_config_is_the_schema() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../config/crossdock.schema.json"
        );
        let stored = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            stored == schema_text(),
            "config/crossdock.schema.json is old: crossdock schema > config/crossdock.schema.json"
        );
    }
}
