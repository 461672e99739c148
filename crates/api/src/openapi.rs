//! The OpenAPI document, derived from the table of routes.

use axum::http::StatusCode;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Content, HeaderBuilder, InfoBuilder, OpenApi, PathItem, PathsBuilder, Ref, RefOr,
    Required, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::answer::POSITION;
use crate::ask::{IDEMPOTENCY_KEY, ISSUED_AT, REASON};
use crate::auth::scope_name;
use crate::error::Problem;
use crate::route::{Access, KeyUse, Route};

const KEY: &str = "api_key";

/// The document.
pub(crate) fn document(routes: &[Route]) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = Components::new();
    components.add_security_scheme(KEY, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    for route in routes {
        let item = PathItem::new(method(route), operation(route));
        paths = paths.path(route.path, item);
        schemas.extend(route.doc.schemas.iter().cloned());
    }
    components.schemas.extend(schemas);
    let info = InfoBuilder::new()
        .title("Crossdock")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Order operations: orders, stock, holds, fulfilment. Errors are RFC 9457 problems with stable codes.",
        ))
        .build();
    let mut document = OpenApi::new(info, paths.build());
    document.components = Some(components);
    document
}

fn method(route: &Route) -> HttpMethod {
    match route.method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(route: &Route) -> Operation {
    let doc = &route.doc;
    let mut operation = OperationBuilder::new()
        .operation_id(Some(operation_id(route)))
        .summary(Some(doc.summary))
        .tag(tag(route.path));
    let parameters = path_parameters(route.path)
        .chain(doc.filters.iter().cloned())
        .chain(command_headers(route));
    for parameter in parameters {
        operation = operation.parameter(parameter);
    }
    if !doc.takes.is_empty() {
        let mut body = RequestBodyBuilder::new().required(Some(Required::True));
        for (kind, schema) in &doc.takes {
            body = body.content(*kind, Content::new(Some(schema.clone())));
        }
        operation = operation.request_body(Some(body.build()));
    }
    if doc.may_be_later {
        let later = success(route, "Begun: it goes on after the answer");
        operation = operation.response(StatusCode::ACCEPTED.as_str(), later.build());
    }
    let problem = RefOr::Ref(Ref::from_schema_name(Problem::name()));
    let failure = ResponseBuilder::new()
        .description("Refused or failed")
        .content("application/problem+json", Content::new(Some(problem)));
    operation = operation
        .response(doc.status.as_str(), success(route, "Done").build())
        .response("default", failure.build());
    if let Access::Key(scope) = route.access {
        operation = operation
            .security(SecurityRequirement::new(KEY, [scope_name(scope)]))
            .description(Some(format!("Needs scope {}.", scope_name(scope))));
    }
    operation.build()
}

/// An answer of something done.
fn success(route: &Route, description: &str) -> ResponseBuilder {
    let mut response = ResponseBuilder::new().description(description);
    if let Some((kind, schema)) = &route.doc.answers {
        response = response.content(*kind, Content::new(Some(schema.clone())));
    }
    if route.is_command() {
        let position = HeaderBuilder::new()
            .schema(Some(String::schema()))
            .description(Some(
                "Where the change stands; lists take it as `consistent_with`.",
            ));
        response = response.header(POSITION, position.build());
    }
    response
}

/// The headers of a command, as [`crate::ask::Asking`] reads them.
fn command_headers(route: &Route) -> Vec<Parameter> {
    if !route.is_command() {
        return Vec::new();
    }
    let key = match route.key {
        KeyUse::Welcome => "With it, a repeat is never done twice.",
        KeyUse::NeededUnlessNamed => {
            "A repeat with it is never done twice. Needed unless the body names the id of what is made."
        }
        KeyUse::Needed => "A repeat with it is never done twice.",
    };
    let issued = "When the command was issued first: after the time for which keys are remembered it is refused.";
    vec![
        header(IDEMPOTENCY_KEY, key, route.key == KeyUse::Needed),
        header(ISSUED_AT, issued, false),
        header(REASON, "Why, for the timeline.", false),
    ]
}

fn header(name: &str, description: &str, is_required: bool) -> Parameter {
    let required = match is_required {
        true => Required::True,
        false => Required::False,
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(description))
        .schema(Some(String::schema()))
        .build()
}

/// The name of an operation: its method and path.
pub(crate) fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches('/').replace(['{', '}'], "");
    let words = path.replace(['/', '-', '.'], "_");
    format!("{}_{words}", route.method.as_str().to_ascii_lowercase())
}

fn tag(path: &str) -> String {
    let mut parts = path.trim_start_matches('/').split('/');
    let first = parts.next().unwrap_or_default();
    let tag = if first == "v1" { parts.next() } else { None };
    tag.unwrap_or(first).trim_end_matches(".csv").to_owned()
}

fn path_parameters(path: &str) -> impl Iterator<Item = Parameter> {
    let names = path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.split('}').next()?;
        Some(name)
    });
    names.map(|name| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(String::schema()))
            .build()
    })
}
