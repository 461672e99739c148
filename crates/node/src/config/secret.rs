//! Where a secret comes from. Whoever writes the secret itself into the file is told so, without it: what is read
//! here is never repeated in a message.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// What a mistake is told as, whatever was there.
const EXPECTED: &str =
    "a secret never stands in this file: expected { env = \"NAME\" } or { file = \"PATH\" }";
const EXPECTED_LIST: &str =
    "secrets never stand in this file: expected [{ env = \"NAME\" }] or [{ file = \"PATH\" }]";

/// Where a secret comes from: never from this file itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; white space around its contents is dropped.
    File(PathBuf),
}

impl SecretSource {
    /// The secret itself.
    ///
    /// # Errors
    /// Says which variable or file is missing or empty, never what is in it.
    pub fn read(&self) -> Result<String, String> {
        let (found, name) = match self {
            Self::Env(name) => (
                std::env::var(name).ok(),
                format!("environment variable {name}"),
            ),
            Self::File(path) => (
                std::fs::read_to_string(path).ok(),
                format!("file {}", path.display()),
            ),
        };
        let secret = found
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty());
        secret.ok_or_else(|| format!("secret: {name} is not set or empty"))
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(One)
    }
}

/// Reads a list of sources.
pub(super) fn list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<SecretSource>, D::Error> {
    deserializer.deserialize_any(Many)
}

/// Visits single values, each told as what was expected: serde's own message would repeat them.
macro_rules! untold {
    ($expected:expr; $($visit:ident: $kind:ty),*) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str($expected)
        }

        $(fn $visit<E: Error>(self, _: $kind) -> Result<Self::Value, E> {
            Err(E::custom($expected))
        })*
    };
    ($expected:expr) => {
        untold!($expected; visit_str: &str, visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128,
            visit_u128: u128, visit_f64: f64);
    };
}

struct One;

impl<'de> Visitor<'de> for One {
    type Value = SecretSource;

    untold!(EXPECTED);

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let untold = |_| A::Error::custom(EXPECTED);
        let entry: Option<(String, String)> = map.next_entry().map_err(untold)?;
        let is_single = map.next_key::<String>().map_err(untold)?.is_none();
        match entry.filter(|_| is_single) {
            Some((kind, name)) if kind == "env" && is_variable(&name) => {
                Ok(SecretSource::Env(name))
            }
            Some((kind, path)) if kind == "file" && !path.is_empty() => {
                Ok(SecretSource::File(path.into()))
            }
            Some(_) | None => Err(A::Error::custom(EXPECTED)),
        }
    }
}

/// Whether a text can be the name of a variable; if not, it may be the secret.
fn is_variable(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(fits) && name.starts_with(|first: char| !first.is_ascii_digit())
}

struct Many;

impl<'de> Visitor<'de> for Many {
    type Value = Vec<SecretSource>;

    untold!(EXPECTED_LIST);

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Vec<SecretSource>, A::Error> {
        Err(A::Error::custom(EXPECTED_LIST))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<SecretSource>, A::Error> {
        let mut sources = Vec::new();
        while let Some(source) = seq.next_element()? {
            sources.push(source);
        }
        Ok(sources)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn secrets_come_from_files_and_are_never_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s");
        std::fs::write(&file, " hush\n").unwrap();
        assert_eq!(SecretSource::File(file).read().as_deref(), Ok("hush"));
        let missing = SecretSource::Env("CROSSDOCK_TEST_NOT_SET".to_owned()).read();
        assert!(missing.unwrap_err().contains("CROSSDOCK_TEST_NOT_SET"));
    }

    /// However a secret is written into the file by mistake, no message repeats it.
    #[test]
    fn a_secret_in_the_file_is_a_mistake_that_is_told_without_it() {
        for secret in ["sec-ret", "whsec_aGVsbG8=", "7317317317"] {
            for value in [
                format!("\"{secret}\""),
                format!("{{ env = \"-{secret}\" }}"),
                format!("{{ env = [\"{secret}\"] }}"),
                format!("{{ \"{secret}\" = 1 }}"),
                format!("{{ value = \"{secret}\" }}"),
                format!("{{ env = \"A\", value = \"{secret}\" }}"),
                format!("[[\"{secret}\"]]"),
                format!("\"\"\"\n{secret}\"\"\""),
                "7317317317".to_owned(),
                "73.17317317".to_owned(),
            ] {
                for text in [
                    format!("[channels.shop]\nkind = \"shopify\"\nwebhook_secrets = {value}"),
                    format!("[channels.shop]\nkind = \"shopify\"\nwebhook_secrets = [{value}]"),
                    format!("[secrets]\nwarehouse = {value}"),
                ] {
                    let mistakes = Config::parse("c.toml".as_ref(), &text).unwrap_err();
                    let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                    let told = told.join("\n");
                    for hidden in [secret, "73.17", "731731"] {
                        assert!(!told.contains(hidden), "{text}\ngives\n{told}");
                    }
                }
            }
        }
    }
}
