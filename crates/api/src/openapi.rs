//! The OpenAPI document, derived from the table of routes.

use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Content, InfoBuilder, OpenApi, PathItem, PathsBuilder, Ref, RefOr, Required,
    ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::auth::scope_name;
use crate::error::Problem;
use crate::route::{Access, Route};

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

fn operation(route: &Route) -> utoipa::openapi::path::Operation {
    let doc = &route.doc;
    let mut operation = OperationBuilder::new()
        .operation_id(Some(operation_id(route)))
        .summary(Some(doc.summary))
        .tag(tag(route.path));
    for parameter in path_parameters(route.path).chain(doc.filters.iter().cloned()) {
        operation = operation.parameter(parameter);
    }
    if let Some((kind, schema)) = &doc.takes {
        let body = RequestBodyBuilder::new()
            .content(*kind, Content::new(Some(schema.clone())))
            .required(Some(Required::True))
            .build();
        operation = operation.request_body(Some(body));
    }
    let mut success = ResponseBuilder::new().description("Done");
    if let Some((kind, schema)) = &doc.answers {
        success = success.content(*kind, Content::new(Some(schema.clone())));
    }
    let problem = RefOr::Ref(Ref::from_schema_name(Problem::name()));
    let failure = ResponseBuilder::new()
        .description("Refused or failed")
        .content("application/problem+json", Content::new(Some(problem)));
    operation = operation
        .response(doc.status.as_str(), success.build())
        .response("default", failure.build());
    if let Access::Key(scope) = route.access {
        operation = operation
            .security(SecurityRequirement::new(KEY, [scope_name(scope)]))
            .description(Some(format!("Needs scope {}.", scope_name(scope))));
    }
    operation.build()
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
