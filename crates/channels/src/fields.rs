//! Reading fields of JSON payloads: ids of any size, exact money, instants; every mistake names its path.

use crossdock_model::{IdError, Money, Timestamp};
use serde_json::Value;
use thiserror::Error;

/// Why a payload does not say what its topic promises.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MapError {
    /// Not JSON, or not an object.
    #[error("the body is not a JSON object: {0}")]
    NotJson(String),
    /// A topic this connector does not know.
    #[error("topic {0:?} is unknown: unsubscribe from it, or run a newer crossdock")]
    UnknownTopic(String),
    /// A field is missing or has a value that cannot be.
    #[error("{path}: {problem}")]
    Field {
        /// Where in the payload.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

/// A part of a payload with its path, which is written out only for a mistake.
#[derive(Clone)]
pub(crate) struct Part<'a> {
    value: &'a Value,
    path: Vec<Step>,
}

#[derive(Clone, Copy)]
enum Step {
    Field(&'static str),
    At(usize),
}

impl<'a> Part<'a> {
    pub fn root(value: &'a Value) -> Result<Self, MapError> {
        match value.is_object() {
            true => Ok(Self {
                value,
                path: Vec::new(),
            }),
            false => Err(MapError::NotJson("expected {…}".to_owned())),
        }
    }

    pub fn wrong(&self, problem: impl Into<String>) -> MapError {
        let path: String = self.path.iter().map(Step::to_string).collect();
        MapError::Field {
            path: path.trim_start_matches('.').to_owned(),
            problem: problem.into(),
        }
    }

    fn inner(&self, value: &'a Value, step: Step) -> Self {
        let mut path = Vec::with_capacity(self.path.len() + 1);
        path.extend_from_slice(&self.path);
        path.push(step);
        Self { value, path }
    }

    /// A field that is there and not null.
    pub fn get(&self, name: &'static str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(self.inner(value, Step::Field(name)))
    }

    pub fn need(&self, name: &'static str) -> Result<Self, MapError> {
        let missing = || {
            let nothing = self.inner(self.value, Step::Field(name));
            nothing.wrong("is missing")
        };
        self.get(name).ok_or_else(missing)
    }

    /// The elements of a list; none when it is absent.
    pub fn list(&self, name: &'static str) -> Result<Vec<Self>, MapError> {
        let Some(list) = self.get(name) else {
            return Ok(Vec::new());
        };
        let element = |(at, value)| list.inner(value, Step::At(at));
        let elements = list.value.as_array();
        let elements = elements.ok_or_else(|| list.wrong("expected a list"))?;
        Ok(elements.iter().enumerate().map(element).collect())
    }

    pub fn as_text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// A text that is not blank.
    pub fn text(&self, name: &'static str) -> Option<String> {
        let text = self.get(name)?.as_text()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    pub fn flag(&self, name: &'static str) -> Option<bool> {
        self.get(name)?.value.as_bool()
    }

    /// An id: a text, a whole number of any size, or the last part of a GraphQL id.
    pub fn id(&self) -> Result<String, MapError> {
        let text = match self.value {
            Value::String(text) => text.rsplit('/').next().unwrap_or(text).trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return Err(self.wrong("expected an id")),
        };
        match text.contains(['.', 'e', 'E']) && self.value.is_number() {
            true => Err(self
                .wrong("the id went through floating point and is rounded: it cannot be trusted")),
            false => Ok(text),
        }
    }

    /// An id of one of the model's types.
    pub fn typed<T: std::str::FromStr<Err = IdError>>(&self) -> Result<T, MapError> {
        self.id()?
            .parse()
            .map_err(|e: IdError| self.wrong(e.to_string()))
    }

    /// A whole number of units.
    pub fn units(&self) -> Result<u32, MapError> {
        let units = self
            .value
            .as_u64()
            .and_then(|units| u32::try_from(units).ok());
        units.ok_or_else(|| self.wrong("expected a whole number from 0"))
    }

    pub fn whole(&self) -> Result<i64, MapError> {
        self.value
            .as_i64()
            .ok_or_else(|| self.wrong("expected a whole number"))
    }

    /// An exact amount, written as text or number, in a currency written in letters of either case.
    pub fn money(&self, currency: &str) -> Result<Money, MapError> {
        let text = match self.value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return Err(self.wrong("expected an amount")),
        };
        Money::parse(&text, &currency.to_ascii_uppercase()).map_err(|e| self.wrong(e.to_string()))
    }

    pub fn instant(&self) -> Result<Timestamp, MapError> {
        let text = self
            .as_text()
            .ok_or_else(|| self.wrong("expected a time"))?;
        timestamp(text).ok_or_else(|| self.wrong("expected a time with offset, RFC 3339"))
    }

    pub fn degrees(&self) -> Option<f64> {
        self.value.as_f64()
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::At(at) => write!(f, "[{at}]"),
        }
    }
}

/// An instant as channels write it: RFC 3339 with an offset, also with a space for the `T` as exports have it.
#[must_use]
pub fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let parsed = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%S %z", text)
            .ok()?
            .to_timestamp()
            .ok()
    });
    parsed.map(|instant| Timestamp::from_ms(instant.as_millisecond()))
}
