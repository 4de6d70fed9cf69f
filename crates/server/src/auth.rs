//! The asker, and its page: the token, and the headers by which a browser says what page sends a request.

use axum::http::{
    HeaderMap, HeaderValue, Method, Uri,
    header::{AUTHORIZATION, COOKIE, HOST, ORIGIN},
};

use crate::problem::Problem;

/// The cookie that bears a token; the port of the door is added, for browsers keep cookies by hosts alone, and one host
/// may serve more than one world.
const COOKIE_NAME: &str = "oikos_token";
/// The parameter that bears a token, once: it becomes a cookie.
const PARAMETER: &str = "token";

/// A token as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Presented<'r> {
    /// In the header that only programs set.
    Bearer(&'r str),
    /// In a cookie, which a browser sends by itself.
    Cookie(&'r str),
    /// In the address, as a link has it.
    Link(String),
}

impl Presented<'_> {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Bearer(text) | Self::Cookie(text) => text,
            Self::Link(text) => text,
        }
    }
}

/// The token of a request. One in the address counts first, so that a link replaces an older cookie.
pub(crate) fn presented<'r>(method: &Method, uri: &Uri, headers: &'r HeaderMap) -> Option<Presented<'r>> {
    if method == Method::GET
        && let Some(text) = pairs(uri.query().unwrap_or_default()).find(|(name, _)| *name == PARAMETER)
    {
        return Some(Presented::Link(text.1.to_owned()));
    }
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    if let Some(token) = bearer {
        return Some(Presented::Bearer(token));
    }
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies =
        cookies.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    let ours = cookie_name(headers);
    cookies.find(|(name, _)| *name == ours).map(|(_, token)| Presented::Cookie(token))
}

/// The name of the cookie of the door that a request names.
fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.rsplit_once(':').map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(port)) => format!("{COOKIE_NAME}_{port}"),
        Some(Err(_)) | None => COOKIE_NAME.to_owned(),
    }
}

/// The names and values of a query as they stand in it; a token needs no escapes.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|pair| pair.split_once('='))
}

/// The address without the token in it.
pub(crate) fn without_token(uri: &Uri) -> String {
    let kept = uri.query().unwrap_or_default().split('&');
    let kept: Vec<&str> = kept
        .filter(|pair| pair.split_once('=').is_none_or(|(name, _)| name != PARAMETER) && !pair.is_empty())
        .collect();
    // A path of two slashes would name another host.
    let path = format!("/{}", uri.path().trim_start_matches('/'));
    if kept.is_empty() { path } else { format!("{path}?{}", kept.join("&")) }
}

/// The header that makes a browser keep a token for this door alone, below the path of its world where that is one of
/// many: a browser sends the one of the longer path first.
pub(crate) fn cookie(headers: &HeaderMap, root: &str, token: &str) -> Option<HeaderValue> {
    let name = cookie_name(headers);
    let path = if root.is_empty() { "/" } else { root };
    HeaderValue::from_str(&format!("{name}={token}; Path={path}; SameSite=Strict; HttpOnly")).ok()
}

/// Refuses a request to another host than this one: a page elsewhere whose name was made to point here.
pub(crate) fn check_host(headers: &HeaderMap, hosts: &[String]) -> Result<(), Problem> {
    let mut named = headers.get_all(HOST).iter();
    let host = match (named.next().and_then(|host| host.to_str().ok()), named.next()) {
        (Some(host), None) => host,
        _ => return Err(Problem::bad("a request names one `Host`")),
    };
    let name = name_of(host);
    let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok();
    let is_ours = is_address
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name));
    if is_ours {
        return Ok(());
    }
    let problem = Problem::forbidden("this door is not reached by that `Host`");
    Err(problem.with_hint("`oikos serve --host NAME` adds a name, such as that of a reverse proxy"))
}

/// The name of a host, without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Refuses what a page of another origin sends, and whatever changes something and may come from such a page.
pub(crate) fn check_origin(
    method: &Method,
    headers: &HeaderMap,
    presented: Option<&Presented<'_>>,
) -> Result<(), Problem> {
    let foreign = || Err(Problem::forbidden("a page of another origin may not ask here"));
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let host = headers.get(HOST).map(text).unwrap_or_default();
    let origin = headers.get(ORIGIN).map(text);
    if let Some(origin) = &origin {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if !authority.is_some_and(|authority| authority.eq_ignore_ascii_case(&host)) {
            return foreign();
        }
    }
    let site = headers.get("sec-fetch-site").map(text);
    let is_foreign = site.as_deref().is_some_and(|site| !["same-origin", "none"].contains(&site));
    let is_looking = method == Method::GET || method == Method::HEAD;
    if is_looking {
        return Ok(());
    }
    if is_foreign {
        return foreign();
    }
    // A browser says where such a request comes from.
    if matches!(presented, Some(Presented::Cookie(_))) && origin.is_none() && site.is_none() {
        let problem =
            Problem::forbidden("with a cookie, a request that changes something names its `Origin`");
        return Err(problem.with_hint("programs send `Authorization: Bearer TOKEN`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_this_host_is_asked() {
        let ours = ["world.example".to_owned()];
        for (host, is_ours) in [
            ("localhost", true),
            ("localhost:7777", true),
            ("127.0.0.1:7777", true),
            ("[::1]:7777", true),
            ("[::1]", true),
            ("world.example", true),
            ("WORLD.example:443", true),
            ("evil.example", false),
            ("localhost.evil.example:7777", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            assert_eq!(check_host(&headers(&[("host", host)]), &ours).is_ok(), is_ours, "{host}");
        }
        assert!(check_host(&headers(&[]), &ours).is_err());
        assert!(check_host(&headers(&[("host", "localhost"), ("host", "localhost")]), &ours).is_err());
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let cookie = Presented::Cookie("t");
        let bearer = Presented::Bearer("t");
        let ours = ("origin", "http://localhost:7777");
        for (method, presented, more, is_fine) in [
            ("GET", &cookie, &[][..], true),
            ("GET", &cookie, &[("origin", "http://evil.example")], false),
            ("GET", &cookie, &[("origin", "null")], false),
            ("GET", &cookie, &[("sec-fetch-site", "cross-site")], true),
            ("POST", &bearer, &[], true),
            ("POST", &bearer, &[("origin", "http://evil.example")], false),
            ("POST", &cookie, &[], false),
            ("POST", &cookie, &[ours], true),
            ("POST", &cookie, &[("origin", "https://localhost:7777")], true),
            ("POST", &cookie, &[("origin", "http://localhost:8888")], false),
            ("POST", &cookie, &[("sec-fetch-site", "same-origin")], true),
            ("POST", &cookie, &[ours, ("sec-fetch-site", "cross-site")], false),
        ] {
            let mut all = headers(more);
            all.insert("host", HeaderValue::from_static("localhost:7777"));
            let method: Method = method.parse().unwrap();
            assert_eq!(
                check_origin(&method, &all, Some(presented)).is_ok(),
                is_fine,
                "{method} {presented:?} {more:?}"
            );
        }
    }

    #[test]
    fn a_token_is_found_where_it_came() {
        let uri = |text: &'static str| Uri::from_static(text);
        let bearer = headers(&[("authorization", "Bearer abc"), ("cookie", "a=b; oikos_token=def")]);
        let get = Method::GET;
        assert_eq!(presented(&get, &uri("/"), &bearer), Some(Presented::Bearer("abc")));
        assert_eq!(presented(&get, &uri("/?x=1&token=ghi"), &bearer), Some(Presented::Link("ghi".into())));
        assert_eq!(presented(&Method::POST, &uri("/?token=ghi"), &bearer), Some(Presented::Bearer("abc")));
        let cookie = headers(&[("cookie", "a=b; oikos_token=def")]);
        assert_eq!(presented(&get, &uri("/"), &cookie), Some(Presented::Cookie("def")));
        let two = "oikos_token_7777=abc; oikos_token_7778=def; oikos_token=ghi";
        for (host, token) in [("localhost:7778", "def"), ("[::1]:7777", "abc"), ("world.example", "ghi")] {
            let headers = headers(&[("host", host), ("cookie", two)]);
            assert_eq!(presented(&get, &uri("/"), &headers), Some(Presented::Cookie(token)), "{host}");
            let kept = super::cookie(&headers, "", token).unwrap();
            assert!(two.contains(kept.to_str().unwrap().split(';').next().unwrap()), "{host}");
        }
        assert_eq!(presented(&get, &uri("/"), &headers(&[("authorization", "Basic abc")])), None);
        assert_eq!(without_token(&uri("/a?x=1&token=ghi&y=2")), "/a?x=1&y=2");
        assert_eq!(without_token(&uri("//evil.example/a?token=ghi")), "/evil.example/a");
    }
}
