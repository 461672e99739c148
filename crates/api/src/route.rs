//! The table's entries: a route with its scope, handler and documentation.

use std::convert::Infallible;

use axum::Extension;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::routing::{MethodFilter, MethodRouter, on};
use crossdock_model::v1::Scope;
use crossdock_runtime::Door;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoParams, ToSchema};

use crate::auth::{Guard, guard};
use crate::doors::{Doorkeeper, let_in};
use crate::observe::{IMPORT_ANSWER, bounded};
use crate::state::ApiState;

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody; webhooks prove themselves by their signature.
    Public,
    /// A key of this scope or a wider one.
    Key(Scope),
}

/// How much a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Usual,
    Import,
}

/// What an Idempotency-Key is to a route that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyUse {
    /// A repeat with it is never done twice.
    Welcome,
    /// Nothing is done without it, unless the body names the thing that is made.
    NeededUnlessNamed,
    /// Nothing is done without it.
    Needed,
}

/// A schema by its name.
pub(crate) type Named = (String, RefOr<Schema>);

/// What the OpenAPI document says of a route.
#[derive(Clone)]
pub(crate) struct RouteDoc {
    pub summary: &'static str,
    pub status: StatusCode,
    /// Whether it may answer with 202 before its work has ended.
    pub may_be_later: bool,
    /// Each kind of body that it takes.
    pub takes: Vec<(&'static str, RefOr<Schema>)>,
    pub answers: Option<(&'static str, RefOr<Schema>)>,
    pub filters: Vec<Parameter>,
    pub schemas: Vec<Named>,
}

/// An entry of the table.
pub(crate) struct Route {
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
    pub key: KeyUse,
    pub doc: RouteDoc,
    size: Size,
    door: Option<Door>,
    handler: MethodRouter<ApiState>,
}

impl Route {
    fn new<H, T>(
        (method, filter): (Method, MethodFilter),
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        Self {
            method,
            path,
            access,
            key: KeyUse::Welcome,
            doc: RouteDoc {
                summary,
                status: StatusCode::OK,
                may_be_later: false,
                takes: Vec::new(),
                answers: None,
                filters: Vec::new(),
                schemas: Vec::new(),
            },
            size: Size::Usual,
            door: None,
            handler: on(filter, handler),
        }
    }

    /// Reads.
    pub fn get<H, T>(path: &'static str, scope: Scope, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        let method = (Method::GET, MethodFilter::GET);
        Self::new(method, path, Access::Key(scope), summary, handler)
    }

    /// Reads, by anybody.
    pub fn open<H, T>(path: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        let method = (Method::GET, MethodFilter::GET);
        Self::new(method, path, Access::Public, summary, handler)
    }

    /// A delivery that proves itself by its signature.
    pub fn signed<H, T>(path: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        let method = (Method::POST, MethodFilter::POST);
        Self::new(method, path, Access::Public, summary, handler)
    }

    /// Does something.
    pub fn post<H, T>(path: &'static str, scope: Scope, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        let method = (Method::POST, MethodFilter::POST);
        Self::new(method, path, Access::Key(scope), summary, handler)
    }

    /// Sets something as a whole.
    pub fn put<H, T>(path: &'static str, scope: Scope, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        let method = (Method::PUT, MethodFilter::PUT);
        Self::new(method, path, Access::Key(scope), summary, handler)
    }

    /// Takes something away.
    pub fn delete<H, T>(path: &'static str, scope: Scope, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        let method = (Method::DELETE, MethodFilter::DELETE);
        Self::new(method, path, Access::Key(scope), summary, handler)
    }

    /// The body it takes.
    pub fn takes<T: ToSchema>(mut self) -> Self {
        let schema = self.named::<T>();
        self.doc.takes.push(("application/json", schema));
        self
    }

    /// A body that is not JSON.
    pub fn takes_text(mut self, kind: &'static str) -> Self {
        self.doc.takes.push((kind, any_text()));
        self
    }

    /// The document it answers with.
    pub fn answers<T: ToSchema>(mut self) -> Self {
        let schema = self.named::<T>();
        self.doc.answers = Some(("application/json", schema));
        self
    }

    /// An answer that is not JSON.
    pub fn answers_text(mut self, kind: &'static str) -> Self {
        self.doc.answers = Some((kind, any_text()));
        self
    }

    /// It makes something.
    pub fn creates<T: ToSchema>(self) -> Self {
        let mut route = self.answers::<T>();
        route.doc.status = StatusCode::CREATED;
        route
    }

    /// Its filters.
    pub fn filters<T: IntoParams>(mut self) -> Self {
        self.doc.filters = T::into_params(|| Some(ParameterIn::Query));
        self
    }

    /// It does nothing without an Idempotency-Key.
    pub fn needs_key(self) -> Self {
        Self {
            key: KeyUse::Needed,
            ..self
        }
    }

    /// It needs an Idempotency-Key where the body names no id of what is made.
    pub fn needs_key_or_id(self) -> Self {
        Self {
            key: KeyUse::NeededUnlessNamed,
            ..self
        }
    }

    /// It may answer before its work has ended.
    pub fn may_be_later(mut self) -> Self {
        self.doc.may_be_later = true;
        self
    }

    /// Whether it changes something for a caller: then it takes the headers of a command.
    pub fn is_command(&self) -> bool {
        self.method != Method::GET && self.access != Access::Public
    }

    /// It takes files: a larger body, and more time.
    pub fn import(self) -> Self {
        Self {
            size: Size::Import,
            ..self
        }
    }

    /// It keeps units for a buyer who has not bought yet.
    pub fn holds(self) -> Self {
        Self {
            door: Some(Door::Hold),
            ..self
        }
    }

    /// What is put off with it while webhooks wait too long.
    fn door(&self) -> Door {
        match (self.door, self.size) {
            (Some(door), _) => door,
            (None, Size::Import) => Door::Import,
            (None, Size::Usual) if self.method == Method::GET => Door::Read,
            (None, Size::Usual) => Door::Ask,
        }
    }

    fn named<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let name = T::name().into_owned();
        T::schemas(&mut self.doc.schemas);
        self.doc.schemas.push((name.clone(), T::schema()));
        RefOr::Ref(Ref::from_schema_name(name))
    }

    /// The route behind its guard and within its bounds.
    pub fn served(self, state: &ApiState) -> (&'static str, MethodRouter<ApiState>) {
        let (limits, door) = (&state.limits, self.door());
        let (bytes_max, time) = match self.size {
            Size::Usual => (limits.body_bytes_max, limits.answer),
            Size::Import => (limits.import_bytes_max, IMPORT_ANSWER),
        };
        let handler = self
            .handler
            .layer::<_, Infallible>(Extension(self.key))
            .layer(DefaultBodyLimit::max(bytes_max))
            .layer(middleware::from_fn_with_state(time, bounded));
        let guarded = match self.access {
            Access::Public => handler,
            Access::Key(needed) => {
                let state = state.clone();
                let doorkeeper = Doorkeeper {
                    handle: state.handle.clone(),
                    door,
                };
                handler
                    .layer(middleware::from_fn_with_state(
                        Guard { state, needed },
                        guard,
                    ))
                    .layer(middleware::from_fn_with_state(doorkeeper, let_in))
            }
        };
        (self.path, guarded)
    }
}

fn any_text() -> RefOr<Schema> {
    <String as utoipa::PartialSchema>::schema()
}
