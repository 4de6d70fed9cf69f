//! The listener: connections, and what every request comes through before it is answered.

use std::{
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Query, RawPathParams, State},
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header},
    routing::{MethodFilter, on},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use oikos_runner::{Front, Helm};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::{Builder, Runtime},
    sync::{Semaphore, oneshot, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    auth::{Presented, check_host, check_origin, cookie, presented, without_token},
    call::{Call, check_fields},
    door::{Door, DoorSetup},
    feeds::Feeds,
    limits::{BACKLOG, BODY_BYTES_MAX, BODY_WITHIN, CONNECTIONS_MAX, HEADER_WITHIN},
    looks::guarded,
    mcp::http::Speaker,
    nats::Nats,
    pages::is_browser,
    problem::{Problem, Teller},
    publish::Publishing,
    routes::{Answers, Handler, ROUTES, Rank, Route, Verb},
    tokens::Token,
};

/// How long answers that are under way may take when the door closes.
pub(crate) const CLOSES_WITHIN: Duration = Duration::from_secs(5);
/// How long one who was let in may take to ask something when the door closes.
const ASKS_WITHIN: Duration = Duration::from_millis(100);
/// Threads that answer; what takes long is done on others.
const THREADS: usize = 2;
/// Stack of each thread: values may nest as deep as a world has them.
const STACK_BYTES: usize = 8 << 20;
/// How far the threads of the door stand behind those of the world, where the system knows that of threads.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// Threads for looks.
pub(crate) const LOOK_THREADS: usize = 16;

/// A door that is open.
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    door: DoorHandle,
    address: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
    /// Ends when no connection is taken any more.
    taking: oneshot::Receiver<()>,
    publishing: Option<Publishing>,
}

struct DoorHandle(Arc<Door>);

impl std::fmt::Debug for DoorHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

/// Listens at an address, where many may come at once.
///
/// # Errors
/// When it can't be listened at.
pub fn listener(address: SocketAddr) -> Result<StdListener, std::io::Error> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // An address that was listened at a moment ago is free at once. Elsewhere that word means another thing.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Lets the world's threads go before this one where there are too few processors for all: readers may be many, and
/// hold up nothing. Where there are enough, nothing changes.
fn after_the_world() {
    // A system that has no such order goes on without.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICE);
}

impl Server {
    /// Opens the door of a world, which is answered for while the world is served with that helm.
    ///
    /// # Errors
    /// When there are no threads, or the listener can't be used.
    pub fn open(
        listener: StdListener,
        front: Front,
        helm: Helm,
        setup: DoorSetup,
    ) -> Result<Self, std::io::Error> {
        let runtime = runtime(LOOK_THREADS)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let door = Door::new(front, helm, setup);
        let (takes, taking) = oneshot::channel();
        let accepting = {
            let _inside = runtime.enter();
            let listener = TcpListener::from_std(listener)?;
            attended(&door);
            runtime.spawn(accept((listener, takes), router(&door), door.closing.subscribe()))
        };
        Ok(Self { runtime, door: DoorHandle(door), address, accepting, taking, publishing: None })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name of the world.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.door.0.front.name
    }

    /// Publishes all events to a stream of NATS; problems on the way are told, and tried again.
    pub fn publish(&mut self, nats: Nats, tell: impl Fn(&str) + Send + Sync + 'static) {
        let _inside = self.runtime.enter();
        self.publishing = Some(Publishing::begin(&self.door.0, nats, tell));
    }

    /// Takes no more connections: those who come from here on are for whoever listens next.
    pub fn leave(&mut self) {
        self.door.0.closing.send_replace(true);
        // Nothing is sent: it ends with the listener.
        let _ = self.runtime.block_on(&mut self.taking);
    }

    /// Takes no more requests, lets those end that are under way, and publishes the last events.
    pub fn close(self) {
        self.door.0.closing.send_replace(true);
        if let Some(publishing) = self.publishing {
            self.runtime.block_on(publishing.end());
        }
        let ended = self.runtime.block_on(async { timeout(CLOSES_WITHIN, self.accepting).await });
        // Answers that are under way still are cut off.
        drop(ended);
        self.runtime.shutdown_timeout(CLOSES_WITHIN);
    }
}

/// The threads of a door, or of many at one listener.
pub(crate) fn runtime(look_threads: usize) -> Result<Runtime, std::io::Error> {
    Builder::new_multi_thread()
        .worker_threads(THREADS)
        .max_blocking_threads(look_threads)
        .thread_name("door")
        .thread_stack_size(STACK_BYTES)
        .on_thread_start(after_the_world)
        .enable_all()
        .build()
}

/// Begins the work that goes on behind a door until it closes.
pub(crate) fn attended(door: &Arc<Door>) {
    tokio::spawn(Feeds::run(Arc::clone(door)));
    tokio::spawn(Speaker::run(Arc::clone(door)));
}

/// Takes connections until the door closes, and then waits for those that are open.
pub(crate) async fn accept(
    (listener, takes): (TcpListener, oneshot::Sender<()>),
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut open = JoinSet::new();
    while !*closing.borrow_and_update() {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let taken = tokio::select! {
            taken = listener.accept() => taken,
            _ = closing.changed() => break,
        };
        while open.try_join_next().is_some() {}
        match taken {
            Ok((stream, _)) => {
                let (router, closing) = (router.clone(), closing.clone());
                open.spawn(async move {
                    connection(stream, router, closing).await;
                    drop(place);
                });
            }
            // There are no more files for now; those that are open go on.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    drop((listener, takes));
    while open.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: Router, mut closing: watch::Receiver<bool>) {
    // Small answers leave at once.
    let _ = stream.set_nodelay(true);
    // One who was let in is answered, also where the door closes before the request has come.
    let mut first = [0];
    tokio::select! {
        biased;
        _ = stream.peek(&mut first) => {}
        () = asks_no_more(&mut closing) => return,
    }
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    // A connection that breaks is its client's affair.
    tokio::select! {
        biased;
        _ = served.as_mut() => return,
        _ = closing.wait_for(|is_closing| *is_closing) => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

/// Waits until one who has asked nothing yet is not waited for any longer.
async fn asks_no_more(closing: &mut watch::Receiver<bool>) {
    let closed = async {
        let _ = closing.wait_for(|is_closing| *is_closing).await;
        sleep(ASKS_WITHIN).await;
    };
    // A door that stays open waits as long as for the head of any request.
    let _ = timeout(HEADER_WITHIN, closed).await;
}

/// The ways through a door.
pub(crate) fn router(door: &Arc<Door>) -> Router {
    let mut router = Router::new();
    for (at, route) in ROUTES.iter().enumerate() {
        let filter = match route.method {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Delete => MethodFilter::DELETE,
        };
        let handler = move |State(door): State<Arc<Door>>, parts: RawPathParams, request: Request<Body>| async move {
            let parts = parts.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            answer(door, Some((at, route)), parts, request).await
        };
        router = router.route(route.path, on(filter, handler));
    }
    let astray =
        |State(door): State<Arc<Door>>, request: Request<Body>| answer(door, None, Vec::new(), request);
    router.method_not_allowed_fallback(astray).fallback(astray).with_state(Arc::clone(door))
}

/// Answers a request of a route, or one for which there is none.
async fn answer(
    door: Arc<Door>,
    route: Option<(usize, &'static Route)>,
    parts: Vec<(String, String)>,
    request: Request<Body>,
) -> Response<Body> {
    let for_people = for_people(route.map(|(_, route)| route), &request);
    let asked = (for_people && request.method() == Method::GET).then(|| request.uri().clone());
    let answered = handle(&door, route.map(|(_, route)| route), parts, request).await;
    let response = answered.unwrap_or_else(|problem| {
        if for_people { problem.page(Teller::World(&door.root), asked.as_ref()) } else { problem.response() }
    });
    door.metrics.count(route.map(|(at, _)| at), response.status());
    guarded(response)
}

/// Whether a browser asks for a page, or for something that there is not: then problems are pages too. Those that
/// programs ask for have their document.
fn for_people(route: Option<&Route>, request: &Request<Body>) -> bool {
    let is_page = route.map_or_else(
        || !request.uri().path().starts_with("/api/"),
        |route| matches!(route.answers, Answers::Page),
    );
    is_page && is_browser(request.headers())
}

async fn handle(
    door: &Arc<Door>,
    route: Option<&'static Route>,
    parts: Vec<(String, String)>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (head, body) = request.into_parts();
    check_host(&head.headers, &door.hosts)?;
    let presented = presented(&head.method, &head.uri, &head.headers);
    check_origin(&head.method, &head.headers, presented.as_ref())?;
    if let Some(Route { handler: Handler::Open(handler), .. }) = route {
        return Ok(handler());
    }
    let token = match &presented {
        Some(presented) => known(door, presented)?,
        None => None,
    };
    if let (Some(Presented::Link(text)), Some(_)) = (&presented, &token) {
        return entered(&head.headers, text, (&door.root, &without_token(&head.uri)));
    }
    let token = token.ok_or_else(Problem::unauthorized)?;
    let Some((route, handler)) = route.and_then(Route::asked) else { return Err(astray(head.uri.path())) };
    let rank = Rank::of(&token.role);
    if !route.ranks.contains(&rank) {
        let words: Vec<&str> = route.ranks.iter().map(|rank| rank.word()).collect();
        let problem = Problem::forbidden(format!("this is not for a token of the rank {}", rank.word()));
        return Err(problem.with_hint(format!("it is for: {}", words.join(", "))));
    }
    door.meters.request(&token)?;
    let Query(fields) = Query::<Vec<(String, String)>>::try_from_uri(&head.uri)
        .map_err(|_| Problem::bad("the fields behind the path can't be read"))?;
    check_fields(
        &fields,
        route.fields.iter().filter(|field| field.place == "query").map(|field| field.name),
    )?;
    let body = read(body, head.headers.get(header::CONTENT_LENGTH)).await?;
    if route.body.is_none() && !body.is_empty() {
        return Err(Problem::bad("this takes no body"));
    }
    door.meters.body(&token, body.len())?;
    handler(Call { door: Arc::clone(door), token, headers: head.headers, uri: head.uri, parts, fields, body })
        .await
}

/// The token that was presented, if it is a good one.
fn known(door: &Door, presented: &Presented<'_>) -> Result<Option<Token>, Problem> {
    let found = door.tokens.find(presented.text());
    // The file says no more to those outside; its owner is told by `oikos token --list`.
    found.map_err(|_| Problem::not_served())
}

/// A browser that came by a link with a token keeps it in a cookie, and goes on without it in its address.
pub(crate) fn entered(
    headers: &HeaderMap,
    token: &str,
    (root, address): (&str, &str),
) -> Result<Response<Body>, Problem> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let address = HeaderValue::from_str(&format!("{root}{address}"))
        .map_err(|_| Problem::bad("that address can't be gone to"))?;
    response.headers_mut().insert(header::LOCATION, address);
    response.headers_mut().extend(cookie(headers, root, token).map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

/// There is no such route, or none by that method.
fn astray(path: &str) -> Problem {
    let others: Vec<&str> =
        ROUTES.iter().filter(|route| route.path == path).map(|route| route.method.word()).collect();
    if others.is_empty() {
        let shown: String = path.chars().take(128).collect();
        return Problem::not_found(format!("there is nothing at {shown:?}"))
            .with_hint("GET /api/v1/openapi.json tells what there is");
    }
    Problem::wrong_method(&others.join(", "))
}

/// Reads a body, as long as it may be and as long as it may take.
async fn read(body: Body, length: Option<&HeaderValue>) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::too_large(format!("a body may have {BODY_BYTES_MAX} bytes"), BODY_BYTES_MAX);
    let length = length.and_then(|length| length.to_str().ok()).and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    match timeout(BODY_WITHIN, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(read)) => Ok(read.to_bytes().to_vec()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::bad("the body broke off")),
        Err(_) => Err(Problem::late("the body did not come in time")),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{SocketAddr, TcpStream};

    use super::*;

    /// More than a listener has room for where nothing is said.
    const AT_ONCE: usize = 400;

    #[test]
    fn many_may_come_at_once() -> Result<(), std::io::Error> {
        let listener = listener(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        // Nobody takes them in. Where there is no room, one waits until there is.
        let come: Vec<TcpStream> = (0..AT_ONCE)
            .map(|_| TcpStream::connect_timeout(&address, Duration::from_secs(20)))
            .collect::<Result<_, _>>()?;
        assert_eq!(come.len(), AT_ONCE);
        // A second listener can't have the address.
        let second = super::listener(address).map_err(|error| error.kind());
        assert_eq!(second.map(drop), Err(std::io::ErrorKind::AddrInUse));
        Ok(())
    }
}
