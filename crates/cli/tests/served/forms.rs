//! The controls of the pages, as a browser without script sends them: each case is a token, a form, and the answer.

use super::{SHOP, served::serve};

#[test]
fn people_steer_and_act_by_forms() {
    let shop = serve(SHOP, &["--paused"]);
    let (alice, operator) = (shop.token(&["--as", "alice"]), shop.token(&["--operator"]));
    // The controls stand before those alone who may use them.
    for (token, path, has_wheel, has_forms) in [
        (&shop.observer, "/", false, false),
        (&operator, "/", true, false),
        (&alice, "/", false, false),
        (&alice, "/agents/alice", false, true),
        (&alice, "/agents/bob", false, false),
        (&operator, "/agents/alice", false, false),
    ] {
        let page = shop.get(token, path).body;
        assert_eq!(page.contains("action=\"/steer\""), has_wheel, "{path}");
        assert_eq!(page.contains("action=\"/act\""), has_forms, "{path}");
    }
    let past = shop.get(&operator, "/?at=1").body;
    assert!(past.contains("Fork from here") && !past.contains(">Step<"), "{past}");
    let key = |page: &str| page.split("name=\"key\" value=\"").nth(1).map(|rest| rest[..37].to_owned());
    let keys = [0, 1].map(|_| key(&shop.get(&alice, "/agents/alice").body).expect("a key"));
    assert!(keys[0] != keys[1] && keys[0].starts_with("page-"), "{keys:?}");
    // A form that is sent twice is one action, and the browser is sent on to its record.
    let body = format!("key={}&op=transfer&to=bob&amount=5&resource=&part=&max_spend=", keys[0]);
    let done = [0, 1].map(|_| shop.post(&alice, "/act", &body));
    let way = done[0].header("location").expect("a way").to_owned();
    assert!(done[0].status == 303 && way.starts_with("/events/"), "{done:?}");
    assert_eq!(done[1].header("location"), Some(way.as_str()));
    assert!(shop.get(&alice, &way).body.contains("class=\"good\">done"));
    let poor = shop.post(&alice, "/act", "op=transfer&to=bob&amount=99999");
    let told = shop.get(&alice, poor.header("location").expect("a way")).body;
    assert!(told.contains("insufficient_scrip"), "{told}");
    // Steps, a speed, and a fork.
    let before = shop.get(&operator, "/api/v1/world").json()["seq"].as_u64();
    for body in ["do=step&span=1", "do=speed&speed=60", "do=speed&speed=max", "do=pause"] {
        let answer = shop.post(&operator, "/steer", body);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{body}: {}", answer.body);
    }
    let after = shop.get(&operator, "/api/v1/world").json();
    assert!(after["seq"].as_u64() > before && after["state"] == "paused", "{after}");
    let made = shop.post(&operator, "/steer", "do=fork&at=1&to=other");
    assert!(made.status == 201 && made.body.contains("other.oikos"), "{}", made.body);
    assert!(shop.db.with_file_name("other.oikos").is_file());
    // Anything else is told on a page, and changes nothing.
    let seq = shop.get(&alice, "/api/v1/world").json()["seq"].clone();
    for (token, path, body, status, part) in [
        (&alice, "/act", "", 400, "empty"),
        (&alice, "/act", "{}", 400, "<code>op</code> is missing"),
        (&alice, "/act", "op=transfr", 400, "did you mean <code>transfer</code>?<"),
        (&alice, "/act", "op=transfer&to=bob&amount=x", 400, "<code>amount</code> must be a whole number"),
        (&alice, "/act", "op=transfer&to=%3Cb%3E&amount=1", 400, "hold '&lt;'"),
        (&alice, "/act", "op=noop&op=noop", 400, "twice"),
        (&alice, "/act", "json=%7B", 400, "not JSON"),
        (
            &alice,
            "/act",
            "json=%7B%22as%22%3A%22bob%22%2C%22op%22%3A%22noop%22%7D",
            403,
            "acts as <code>alice</code>",
        ),
        (&operator, "/steer", "do=", 400, "<code>do</code> is missing"),
        (&operator, "/steer", "do=stop", 400, "run, pause, step"),
        (&operator, "/steer", "do=step&span=-1", 400, "<code>run</code>"),
        (&operator, "/steer", "do=speed&speed=0", 400, "<code>speed</code> must be"),
        (&operator, "/steer", "do=pause&x=1", 400, "no field"),
        (&operator, "/steer", "do=fork&at=1&to=..%2Fevil", 400, "<code>to</code> must be"),
        (&operator, "/steer", "do=fork&at=1&to=other", 409, "other"),
        (&shop.observer, "/act", "op=noop", 403, "observer"),
        (&alice, "/steer", "do=run", 403, "seat"),
    ] {
        let answer = shop.post(token, path, body);
        let is_told = answer.status == status && answer.body.contains(part) && !answer.body.contains("<b>");
        assert!(is_told, "{path} {body}: {} {}", answer.status, answer.body);
    }
    assert_eq!(shop.get(&alice, "/api/v1/world").json()["seq"], seq);
    // A form of another page's origin is refused, as is one that a cookie alone comes with.
    let port = shop.address.rsplit(':').next().expect("a port");
    let cookie = format!("oikos_token_{port}={alice}");
    let with = |more: &[(&str, &str)]| {
        let headers: Vec<_> = [("cookie", cookie.as_str())].into_iter().chain(more.iter().copied()).collect();
        shop.request("POST", "/act", &headers, b"op=noop").status
    };
    let origin = format!("http://{}", shop.address);
    assert_eq!((with(&[]), with(&[("origin", "null")])), (403, 403));
    assert_eq!(with(&[("origin", "http://evil.example")]), 403);
    assert_eq!(with(&[("origin", &origin)]), 303);
    // Browsers name the origin of a form only where the policy lets them.
    assert_eq!(shop.get(&alice, "/").header("referrer-policy"), Some("same-origin"));
}
