//! A browser walks over every page of a world that is served, of now and of a moment of the past.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::environments::{folder_with, succeeds};
use crate::served::{Served, of};

const PACKAGES: [&str; 1] = ["selenium==4.51.0"];
/// The packages of the system with a browser, and with the program that drives it.
const SYSTEM_PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];
const DRIVER: &str = "chromedriver";
/// Things of one kind that are looked at.
const OF_A_KIND: usize = 6;

pub(super) fn prove(binary: &Path, folder: &Path, target: &Path, root: &Path) -> Result<()> {
    let served = of(binary, folder, "walk", &root.join("worlds/bazaar.toml"), &["--paused"])?;
    let operator = served.token(&["--operator"])?;
    served.json(&operator, "POST", "/api/v1/run?wait=60s", "{\"ticks\": 40}")?;
    let made = served.json(&operator, "POST", "/api/v1/fork", "{\"at\": \"tick:20\", \"to\": \"other\"}")?;
    let other = made.get("world").and_then(Value::as_str).context("a fork has a name")?;
    walk(target, root, &folder.join("walk/pictures"), &served, &["", "tick:20"])?;
    // A fork has a world beside it to be compared with.
    let db = served.db.with_file_name(other);
    let fork = Served::again(binary, &db, &["--paused"])?;
    walk(target, root, &folder.join("walk/fork"), &fork, &[""])
}

/// Walks over the pages of a world at these moments, and over files beside it.
pub(super) fn walk(
    target: &Path,
    root: &Path,
    pictures: &Path,
    served: &Served,
    moments: &[&str],
) -> Result<()> {
    let mut addresses = vec![served.link.clone()];
    for path in paths(served)? {
        for moment in moments {
            let sign = if path.contains('?') { '&' } else { '?' };
            let at = if moment.is_empty() { String::new() } else { format!("{sign}at={moment}") };
            let path = format!("{path}{at}");
            // Something that was made later was not there.
            let was_there = moment.is_empty() || served.ask(served.observer(), "GET", &path, "")?.0 != 404;
            addresses.extend(was_there.then(|| format!("http://{}{path}", served.address)));
        }
    }
    look(target, root, pictures, &addresses)
}

/// Looks at these addresses in a browser; the first is a link by which it enters.
pub(super) fn look(target: &Path, root: &Path, pictures: &Path, addresses: &[String]) -> Result<()> {
    let python = folder_with(&target.join("tmp/selenium"), &PACKAGES)?;
    let is_there = || succeeds(Command::new(DRIVER).arg("--version"));
    if !is_there() {
        let install = Command::new("apt-get").args(["install", "-y"]).args(SYSTEM_PACKAGES).status();
        if !install.is_ok_and(|status| status.success()) || !is_there() {
            bail!("there is no {DRIVER}: apt-get install {}", SYSTEM_PACKAGES.join(" "));
        }
    }
    let found = Command::new("sh").args(["-c", &format!("command -v {DRIVER}")]).output()?;
    let driver = String::from_utf8(found.stdout)?;
    let mut child = Command::new(python)
        .arg(root.join("xtask/src/door/walk.py"))
        .args([driver.trim().as_ref(), pictures.as_os_str()])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("its input")?;
    input.write_all(addresses.join("\n").as_bytes())?;
    drop(input);
    if !child.wait()?.success() {
        bail!("pages are not as they should be");
    }
    Ok(())
}

/// The paths of all pages, with some of what they are about.
pub(super) fn paths(served: &Served) -> Result<Vec<String>> {
    let ask = |path: &str| served.json(served.observer(), "GET", path, "");
    let document = ask("/api/v1/openapi.json")?;
    let ids = |list: &str| -> Result<Vec<String>> {
        let rows = ask(&format!("/api/v1/{list}?limit=1000"))?;
        let rows = rows.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        // The latest are those that were made by others.
        let id = |row: &Value| row.get("id").and_then(Value::as_str).map(str::to_owned);
        Ok(rows.iter().rev().filter_map(id).take(OF_A_KIND).collect())
    };
    let (agents, artifacts) = (ids("agents")?, ids("artifacts")?);
    let lines = ask("/api/v1/events?since=0&limit=1000")?;
    let mut kinds = BTreeSet::new();
    let mut seqs = Vec::new();
    for line in lines.get("events").and_then(Value::as_array).into_iter().flatten() {
        let kind = line.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if kinds.insert(kind) {
            seqs.extend(line.get("seq").map(Value::to_string));
        }
    }
    let mut paths = Vec::new();
    for (path, methods) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        if methods.pointer("/get/responses/200/content/text~1html").is_none() {
            continue;
        }
        let each = |ids: &[String], part: &str| {
            ids.iter().map(|id| path.replace(part, &encoded(id))).collect::<Vec<_>>()
        };
        match path.as_str() {
            "/agents/{id}" => paths.extend(each(&agents, "{id}")),
            "/artifacts/{id}" => {
                let whole = each(&artifacts, "{id}");
                let parts = ["content", "code", "storage"];
                let texts = whole.iter().flat_map(|path| parts.map(|part| format!("{path}?part={part}")));
                let texts: Vec<String> = texts.collect();
                let is_there = |path: &String| {
                    served.ask(served.observer(), "GET", path, "").is_ok_and(|(status, _)| status == 200)
                };
                paths.extend(texts.into_iter().filter(is_there));
                paths.extend(whole);
            }
            "/events/{seq}" => paths.extend(each(&seqs, "{seq}")),
            "/compare" => {
                paths.push(path.to_owned());
                paths.extend(beside(&served.db)?.iter().map(|name| format!("{path}?with={}", encoded(name))));
            }
            path => paths.push(path.to_owned()),
        }
    }
    if !paths.iter().any(|path| path == "/") || agents.is_empty() || artifacts.is_empty() {
        bail!("there are no pages to walk over");
    }
    Ok(paths)
}

/// The names of the worlds beside one.
fn beside(db: &Path) -> Result<Vec<String>> {
    let names = fs::read_dir(db.parent().context("a folder")?)?;
    let names = names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect::<Result<_>>()?;
    let own = db.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(names.into_iter().filter(|name| name.ends_with(".oikos") && *name != own).collect())
}

/// A name as a path has it.
fn encoded(id: &str) -> String {
    id.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
