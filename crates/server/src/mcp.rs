//! A world as a server of the Model Context Protocol: whoever speaks it lives in the world as one of its principals.
//!
//! Each tool that is named as an op is that op, an action like any other: it is charged, limited and on record. A
//! refusal of the world is a result with `isError`; protocol errors are for faults of the protocol.

mod away; // a world that another process serves
mod call; // one call of a tool
mod changes; // subscriptions
pub(crate) mod http; // over HTTP
mod lines; // over lines of text
mod place; // how calls reach the world
mod post; // requests to the door of another process
mod repeats; // calls that are repeated
mod resources; // artifacts and pages by their addresses
mod sessions; // clients that come again and again over HTTP
mod tools; // the table of tools

use std::sync::{Arc, Mutex};

use oikos_runner::{
    kernel::refusal::Refusal,
    request::{Misfit, Request},
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, ErrorCode, Extensions,
        Implementation, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
        ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig, SubscribeRequestParams,
        SubscriptionFilter, Tool, UnsubscribeRequestParams,
    },
    service::{RequestContext, SubscriptionContext},
};

pub use self::{
    away::serve_away,
    lines::serve_lines,
    place::{Place, WAIT_MAX},
    post::{Elsewhere, Lost},
};
use self::{
    call::Caller,
    changes::Changes,
    repeats::Repeats,
    tools::{Does, TOOLS},
};

/// The methods that this server has; a request of one of them that is not read as such has wrong parameters.
const METHODS: [&str; 8] = [
    "initialize",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "resources/subscribe",
    "subscriptions/listen",
];

/// Something in the arguments of a call that no world can hold, found as they were read.
#[derive(Clone, Debug)]
pub(crate) struct Flaw(pub(crate) Refusal);

/// The principal that a client acts as.
#[derive(Clone)]
enum Seat {
    /// Always this one.
    Of(Arc<str>),
    /// The one of the request.
    OfRequest,
}

/// A client's side of the protocol. A clone is the same client.
#[derive(Clone)]
pub struct Client {
    place: Place,
    seat: Seat,
    world: Arc<str>,
    /// Calls are done in the order in which they come.
    order: Arc<tokio::sync::Mutex<()>>,
    repeats: Arc<Mutex<Repeats>>,
    changes: Changes,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("world", &self.world).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that acts as one principal of the world of that name.
    #[must_use]
    pub fn seated(place: Place, principal: &str, world: &str) -> Self {
        Self::new(place, Seat::Of(principal.into()), world)
    }

    fn new(place: Place, seat: Seat, world: &str) -> Self {
        let (order, repeats) = (Arc::default(), Arc::default());
        Self { place, seat, world: world.into(), order, repeats, changes: Changes::default() }
    }

    fn principal(&self, extensions: &Extensions) -> Result<Arc<str>, ErrorData> {
        let found = match &self.seat {
            Seat::Of(principal) => Some(Arc::clone(principal)),
            Seat::OfRequest => {
                let parts = extensions.get::<axum::http::request::Parts>();
                parts.and_then(|parts| parts.extensions.get::<http::Seated>()).map(|seat| Arc::clone(&seat.0))
            }
        };
        found.ok_or_else(|| {
            ErrorData::invalid_request("this token has no seat: only a token of a principal acts here", None)
        })
    }

    fn caller<'c>(&'c self, context: &'c RequestContext<RoleServer>) -> Result<Caller<'c>, ErrorData> {
        let principal = self.principal(&context.extensions)?;
        Ok(Caller { place: &self.place, principal, context })
    }
}

/// Something in the arguments that no world can hold.
fn flaw_of(extensions: &Extensions) -> Option<Refusal> {
    let parts = || extensions.get::<axum::http::request::Parts>()?.extensions.get::<Flaw>();
    extensions.get::<Flaw>().or_else(parts).map(|flaw| flaw.0.clone())
}

/// The fault of a protocol whose world can't be reached.
fn gone(sentence: &str) -> ErrorData {
    ErrorData::internal_error(sentence.to_owned(), None)
}

impl ServerHandler for Client {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .build();
        let who = match &self.seat {
            Seat::Of(principal) => format!("You are `{principal}` in"),
            Seat::OfRequest => "You are a principal of".into(),
        };
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("oikos", env!("CARGO_PKG_VERSION")))
            .with_instructions(format!(
                "{who} the world `{}`, an economy of agents: you own, write, sell, buy and pay like everybody in it. \
                 Each tool that is named as an op is an action of yours; it may cost resources and scrip, and a \
                 refusal says why and what to try next. Begin with `observe` and with `handbook`, page \"start\". Where \
                 the world's time stands while you think, it passes while you `wait` or `sleep`.",
                self.world
            ))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = TOOLS.iter().find(|tool| tool.name() == request.name) else {
            let shown: String = request.name.chars().take(64).collect();
            let names: Vec<&str> = TOOLS.iter().map(tools::Spec::name).collect();
            let sentence = format!("there is no tool {shown:?}; there are {}", names.join(", "));
            return Err(ErrorData::invalid_params(sentence, None));
        };
        let caller = self.caller(&context)?;
        let arguments = request.arguments.unwrap_or_default();
        if let Some(refusal) = flaw_of(&context.extensions) {
            return Ok(call::refused(&refusal).into());
        }
        let _turn = self.order.lock().await;
        let key = repeats::Key::of(&context.id, &caller.principal, tool.name(), &arguments);
        if let Some(before) = self.lock_repeats().get(&key) {
            return Ok(before.into());
        }
        let result = caller.call(tool, arguments).await?;
        if !matches!(tool.does, Does::Observe | Does::Wait) {
            self.lock_repeats().keep(key, &result);
        }
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let pages = self.caller(&context)?.pages().await?;
        Ok(ListResourcesResult::with_all_items(resources::of_pages(&pages)))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let artifact = resources::artifact_of(&request.uri)?;
        let caller = self.caller(&context)?;
        let _turn = self.order.lock().await;
        let receipt = caller.read(&artifact).await?;
        resources::shown(&request.uri, &receipt).map(Into::into)
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let principal = self.principal(&context.extensions)?;
        if !self.changes.add(&self.place, &principal, &request.uri).await? {
            return Ok(());
        }
        let (changes, place, peer) = (self.changes.clone(), self.place.clone(), context.peer);
        tokio::spawn(async move {
            let gone = changes::closed(&peer);
            tokio::pin!(gone);
            loop {
                let changed = tokio::select! {
                    changed = changes.next(&place, &principal) => changed,
                    () = &mut gone => return,
                };
                let Ok(changed) = changed else { return };
                for uri in &changed {
                    let told = ResourceUpdatedNotificationParam::new(uri.clone());
                    if peer.notify_resource_updated(told).await.is_err() {
                        return;
                    }
                }
                if changed.is_empty() {
                    return;
                }
            }
        });
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.changes.remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let wanted = requested.resource_subscriptions.iter().flatten();
        let known = wanted.filter(|uri| resources::artifact_of(uri).is_ok());
        Some(SubscriptionFilter::builder().resource_subscriptions(known.cloned()).build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let principal = self.principal(&context.request_context().extensions)?;
        let changes = Changes::default();
        for uri in context.accepted().resource_subscriptions.iter().flatten() {
            changes.add(&self.place, &principal, uri).await?;
        }
        loop {
            let changed = tokio::select! {
                changed = changes.next(&self.place, &principal) => changed?,
                () = context.cancelled() => return Ok(()),
            };
            if changed.is_empty() {
                context.cancelled().await;
                return Ok(());
            }
            for uri in changed {
                if context.sink().notify_resource_updated(uri).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let shown: String = request.method.chars().take(64).collect();
        if METHODS.contains(&request.method.as_str()) {
            let sentence =
                format!("the parameters are none of `{shown}`: one is missing or has a wrong type");
            return Err(ErrorData::invalid_params(sentence, None));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("there is no method {shown:?}"), None))
    }
}

impl Client {
    fn lock_repeats(&self) -> std::sync::MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The query of these fields, as a principal would be answered.
fn query(principal: &str, fields: &serde_json::Value) -> Result<Request, Refusal> {
    match Request::read("query", fields.to_string().as_bytes(), None, None) {
        Ok(Request::Query(query)) => Ok(Request::Look(principal.to_owned(), query)),
        Ok(_) => Err(Refusal::invalid("a query is an object with `what`")),
        Err(Misfit::Malformed(refusal) | Misfit::Other(refusal)) => Err(refusal),
    }
}
