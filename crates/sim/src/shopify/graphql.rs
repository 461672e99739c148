//! As much of GraphQL as clients of the simulated shop write: one operation, its variables, and the fields it selects.
//!
//! An answer holds what was selected and nothing else, and a field that there is not is an error: so a client that
//! forgets to ask for something finds out here.

use serde_json::{Map, Value, json};

/// Elements of a list in a call at most.
pub(super) const LIST_MAX: usize = 250;

/// A field that is asked for, or fields of one type (`... on InventoryItem`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub name: String,
    alias: String,
    is_fragment: bool,
    pub arguments: Map<String, Value>,
    directives: Vec<(String, Map<String, Value>)>,
    pub fields: Vec<Field>,
}

impl Field {
    /// An argument; null where it is not given.
    pub fn argument(&self, name: &str) -> &Value {
        self.arguments.get(name).unwrap_or(&Value::Null)
    }

    /// An argument of a directive on the field.
    pub fn directive(&self, name: &str, argument: &str) -> Option<&Value> {
        let mut directives = self.directives.iter();
        let (_, arguments) = directives.find(|(found, _)| found == name)?;
        arguments.get(argument)
    }

    /// The first field of that name below this one.
    pub fn find(&self, name: &str) -> Option<&Field> {
        let below = |field: &'_ Field| field.name == name;
        let found = self.fields.iter().find(|field| below(field));
        found.or_else(|| self.fields.iter().find_map(|field| field.find(name)))
    }

    /// What is selected of a value. A list is whole in the value; what is selected is the page that is asked for.
    ///
    /// # Errors
    /// In the shop's words.
    pub fn select(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::Null => Ok(Value::Null),
            Value::Array(elements) => {
                let first = self.first()?.unwrap_or(usize::MAX);
                elements
                    .iter()
                    .take(first)
                    .map(|one| self.select(one))
                    .collect()
            }
            Value::Object(_) if self.fields.is_empty() => {
                Err(format!("Field '{}' must have selections", self.name))
            }
            Value::Object(object) => {
                let mut selected = Map::new();
                match object.get("nodes").and_then(Value::as_array) {
                    Some(nodes) => self.select_into(&self.page(nodes)?, &mut selected)?,
                    None => self.select_into(object, &mut selected)?,
                }
                Ok(Value::Object(selected))
            }
            _ if !self.fields.is_empty() => Err(format!(
                "Selections can't be made on scalars (field '{}')",
                self.name
            )),
            scalar => Ok(scalar.clone()),
        }
    }

    /// How many elements of a list are asked for.
    fn first(&self) -> Result<Option<usize>, String> {
        let Some(first) = self.arguments.get("first") else {
            return Ok(None);
        };
        let first = first.as_u64().and_then(|first| usize::try_from(first).ok());
        match first.filter(|first| (1..=LIST_MAX).contains(first)) {
            Some(first) => Ok(Some(first)),
            None => Err(format!("first must be from 1 to {LIST_MAX}")),
        }
    }

    /// A page of a list. A cursor is how many come before it.
    fn page(&self, nodes: &[Value]) -> Result<Map<String, Value>, String> {
        let first = self.first()?;
        let first = first.ok_or_else(|| format!("{} needs first", self.name))?;
        let after = self.argument("after").as_str();
        let begin = after.map_or(Some(0), |after| after.parse().ok());
        let begin = begin
            .filter(|begin| *begin <= nodes.len())
            .ok_or("Invalid cursor")?;
        let end = nodes.len().min(begin + first);
        let info = json!({ "hasNextPage": end < nodes.len(), "endCursor": end.to_string() });
        Ok(Map::from_iter([
            ("nodes".to_owned(), Value::from(&nodes[begin..end])),
            ("pageInfo".to_owned(), info),
        ]))
    }

    /// What it costs: a point for each thing that may be answered.
    pub fn cost(&self) -> f64 {
        let below: f64 = self.fields.iter().map(Self::cost).sum();
        let ids = self.argument("ids").as_array().map(|ids| ids.len() as f64);
        let times = ids.or_else(|| self.argument("first").as_f64());
        match (self.fields.is_empty(), self.name.as_str()) {
            (true, _) | (_, "pageInfo") => 0.0,
            (false, "nodes") if times.is_none() => below,
            (false, _) if self.is_fragment => below,
            (false, _) => times.unwrap_or(1.0) * (1.0 + below),
        }
    }

    fn select_into(
        &self,
        object: &Map<String, Value>,
        selected: &mut Map<String, Value>,
    ) -> Result<(), String> {
        for field in &self.fields {
            if field.is_fragment {
                field.select_into(object, selected)?;
                continue;
            }
            let value = object.get(&field.name);
            let value = value.ok_or_else(|| format!("Field '{}' doesn't exist", field.name))?;
            selected.insert(field.alias.clone(), field.select(value)?);
        }
        Ok(())
    }
}

/// Reads a document of one operation with one field at its root.
///
/// # Errors
/// In the shop's words.
pub(super) fn parse(document: &str, variables: &Value) -> Result<Field, String> {
    let mut parser = Parser {
        tokens: tokens(document),
        at: 0,
        variables,
    };
    while parser.peek() != "{" {
        parser.skip_head()?;
    }
    let mut fields = parser.fields()?;
    match (fields.pop(), fields.is_empty()) {
        (Some(field), true) => Ok(field),
        _ => Err("expected one operation".to_owned()),
    }
}

/// Names, signs, and texts with their quotation marks.
fn tokens(document: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = document.trim_start_matches(ignored);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            '.' => rest.len() - rest.trim_start_matches('.').len(),
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            other => other.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after.trim_start_matches(ignored);
    }
    tokens
}

fn ignored(c: char) -> bool {
    c.is_whitespace() || c == ','
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

struct Parser<'a> {
    tokens: Vec<String>,
    at: usize,
    variables: &'a Value,
}

impl Parser<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> Result<String, String> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token.ok_or_else(|| "unexpected end of document".to_owned())
    }

    fn take(&mut self, token: &str) -> bool {
        let is_next = self.peek() == token;
        self.at += usize::from(is_next);
        is_next
    }

    fn need(&mut self, token: &str) -> Result<(), String> {
        match self.take(token) {
            true => Ok(()),
            false => Err(format!("expected {token:?}, found {:?}", self.peek())),
        }
    }

    /// The operation's kind, its name and the types of its variables.
    fn skip_head(&mut self) -> Result<(), String> {
        if self.take("(") {
            while !self.take(")") {
                self.next()?;
            }
            return Ok(());
        }
        self.next().map(drop)
    }

    fn fields(&mut self) -> Result<Vec<Field>, String> {
        self.need("{")?;
        let mut fields = Vec::new();
        while !self.take("}") {
            fields.push(self.field()?);
        }
        Ok(fields)
    }

    fn field(&mut self) -> Result<Field, String> {
        let is_fragment = self.take("...");
        if is_fragment {
            self.need("on")?;
        }
        let alias = self.next()?;
        let name = match self.take(":") {
            true => self.next()?,
            false => alias.clone(),
        };
        let mut field = Field {
            name,
            alias,
            is_fragment,
            arguments: self.arguments()?,
            directives: Vec::new(),
            fields: Vec::new(),
        };
        while self.take("@") {
            let directive = (self.next()?, self.arguments()?);
            field.directives.push(directive);
        }
        if self.peek() == "{" {
            field.fields = self.fields()?;
        }
        Ok(field)
    }

    fn arguments(&mut self) -> Result<Map<String, Value>, String> {
        let mut arguments = Map::new();
        if self.take("(") {
            while !self.take(")") {
                let name = self.next()?;
                self.need(":")?;
                arguments.insert(name, self.value()?);
            }
        }
        Ok(arguments)
    }

    fn value(&mut self) -> Result<Value, String> {
        let token = self.next()?;
        match token.as_str() {
            "$" => {
                let name = self.next()?;
                Ok(self.variables.get(&name).cloned().unwrap_or_default())
            }
            "[" => {
                let mut elements = Vec::new();
                while !self.take("]") {
                    elements.push(self.value()?);
                }
                Ok(Value::Array(elements))
            }
            // Numbers, texts and truths are written as in JSON; anything else is a name from a list.
            text => Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "query Read($id: ID!, $more: [Int!]!) {
        thing(id: $id, kind: OPEN, first: 5, more: $more) @idempotent(key: \"k-1\") {
            name: title
            ... on Part { sizes(names: [\"wide\", \"high\"]) { units } }
        }
    }";

    #[test]
    fn an_answer_is_what_was_selected() {
        let field = parse(DOCUMENT, &json!({ "id": "gid://7", "more": [1, 2] })).unwrap();
        assert_eq!(field.name, "thing");
        assert_eq!(field.argument("id"), "gid://7");
        assert_eq!(field.argument("kind"), "OPEN");
        assert_eq!(field.argument("first"), 5);
        assert_eq!(field.argument("more"), &json!([1, 2]));
        assert_eq!(field.argument("else"), &Value::Null);
        assert_eq!(field.directive("idempotent", "key"), Some(&json!("k-1")));
        let sizes = field.find("sizes").unwrap();
        assert_eq!(sizes.argument("names"), &json!(["wide", "high"]));
        let value = json!({ "title": "a", "other": 1, "sizes": [{ "units": 3, "cm": 4 }] });
        let selected = field.select(&value);
        assert_eq!(
            selected,
            Ok(json!({ "name": "a", "sizes": [{ "units": 3 }] }))
        );
    }

    #[test]
    fn lists_are_answered_page_by_page() {
        let value = json!({ "nodes": [{ "id": 1 }, { "id": 2 }, { "id": 3 }] });
        let page = |arguments: &str| {
            let document =
                format!("{{ things({arguments}) {{ nodes {{ id }} pageInfo {{ endCursor }} }} }}");
            parse(&document, &Value::Null).unwrap().select(&value)
        };
        let answer = |ids: &[u64], end: &str| {
            let nodes: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
            Ok(json!({ "nodes": nodes, "pageInfo": { "endCursor": end } }))
        };
        assert_eq!(page("first: 2"), answer(&[1, 2], "2"));
        assert_eq!(page("first: 2, after: \"2\""), answer(&[3], "3"));
        for arguments in [
            "first: 0",
            "first: 251",
            "after: \"1\"",
            "first: 1, after: \"x\"",
        ] {
            assert!(page(arguments).is_err(), "{arguments}");
        }
    }

    #[test]
    fn what_may_be_answered_is_paid_for() {
        let cost = |document: &str| parse(document, &Value::Null).unwrap().cost();
        assert_eq!(cost("{ thing(id: 1) { id title } }"), 1.0);
        assert_eq!(
            cost("{ things(first: 5) { nodes { id } pageInfo { endCursor } } }"),
            5.0
        );
        let nested = "{ thing { parts(first: 4) { nodes { id owner { name } } } } }";
        assert_eq!(cost(nested), 1.0 + 4.0 * 2.0);
        assert_eq!(
            cost("{ nodes(ids: [1, 2, 3]) { ... on Part { size { units } } } }"),
            6.0
        );
    }

    #[test]
    fn what_there_is_not_cannot_be_selected() {
        let field = parse(DOCUMENT, &Value::Null).unwrap();
        for value in [
            json!({ "sizes": [] }),
            json!({ "title": "a", "sizes": 3 }),
            json!({ "title": { "text": "a" }, "sizes": [] }),
        ] {
            assert!(field.select(&value).is_err(), "{value}");
        }
        for document in ["", "query {", "{ a { b } c }", "{ a(b 1) }"] {
            assert!(parse(document, &Value::Null).is_err(), "{document}");
        }
    }
}
