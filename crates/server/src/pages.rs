//! The pages that people read. They are made of the world as the token may see it, by `oikos_views`, which has no
//! script and writes the words of agents as text. Our one script shows a page anew when something has happened.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use oikos_runner::{Journal, Look, Motion, Reader, kernel::world::World};
use oikos_views::{
    Asked, Links, Markup, Moment, Page, Past, Pulse, Unshown, Viewer, problem, render, style::STYLE,
};

use crate::call::{Answered, Call, text};

/// The address of the script.
const SCRIPT: &str = "/live.js";
const HTML: &str = "text/html; charset=utf-8";
/// Moments of the past whose pasts are kept, for the next who asks.
const KEPT_MAX: usize = 4;
/// The time over which the speed of a run is taken, at least.
const SPEED_OVER: Duration = Duration::from_secs(1);

/// The pasts of a world that were read for pages, so that nobody reads them twice.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// The past up to the present. It goes on as the world does.
    present: Mutex<Present>,
    /// Those up to moments that were asked for lately, by their records.
    kept: Mutex<VecDeque<(u64, Arc<Past>)>>,
}

#[derive(Debug, Default)]
struct Present {
    past: Option<Past>,
    /// When so many steps were done.
    mark: Option<(Instant, u64)>,
    /// Steps in a second, as they were counted last.
    speed: Option<f64>,
}

/// `GET /style.css`.
pub(crate) async fn stylesheet(_: Call) -> Answered {
    Ok(text(None, "text/css; charset=utf-8", STYLE.into()))
}

/// `GET /live.js`.
pub(crate) async fn script(_: Call) -> Answered {
    Ok(text(None, "text/javascript; charset=utf-8", include_str!("live.js").into()))
}

/// Any page.
pub(crate) async fn page(call: Call) -> Answered {
    let asked = match Page::parse(call.uri.path(), call.uri.query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(unshown) => return Ok(told(&unshown)),
    };
    let pages = Arc::clone(&call.door.pages);
    let motion = call.door.helm.standing().motion;
    let looked = call.look(move |reader, look, viewer| {
        Ok(match asked.at {
            None => pages.present(reader, look, viewer, &asked, motion),
            Some(_) => pages.past(reader, look, viewer, &asked),
        })
    });
    let (_, shown) = looked.await?;
    Ok(match shown {
        Ok((seq, markup)) => text(Some(seq), HTML, markup.into_string()),
        Err(unshown) => told(&unshown),
    })
}

/// The page that says why another can't be shown.
fn told(unshown: &Unshown) -> Response<Body> {
    let (status, title, sentence) = match unshown {
        Unshown::NotFound(sentence) => (StatusCode::NOT_FOUND, "There is no such page", sentence.as_str()),
        Unshown::Misread(sentence) => {
            (StatusCode::BAD_REQUEST, "This address can't be meant", sentence.as_str())
        }
        Unshown::Hidden(sentence) => (StatusCode::FORBIDDEN, "This is not for your token", sentence.as_str()),
        // Those outside learn no more of a fault.
        Unshown::Fault(_) | Unshown::Chart(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "This page can't be made now",
            "The journal of this world can't be read now, or a chart can't be drawn.",
        ),
    };
    let mut response = text(None, HTML, problem(title, sentence).into_string());
    *response.status_mut() = status;
    response
}

impl Pages {
    /// A page of the present, with the record whose state it shows.
    fn present(
        &self,
        reader: &Reader,
        look: &Look,
        viewer: Viewer,
        asked: &Asked,
        motion: Motion,
    ) -> Result<(u64, Markup), Unshown> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        // Another may have come further while this one waited.
        let look = reader.now().unwrap_or_else(|| look.clone());
        let journal = journal(reader)?;
        present.go_on(&journal, &look.world)?;
        let speed = present.speed_at(&look.world, Instant::now());
        let Some(past) = &present.past else { return Err(unread()) };
        let is_paused = motion == Motion::Paused;
        let pulse = Pulse { is_paused, steps_per_second: speed.filter(|_| motion == Motion::Running) };
        let moment = Moment {
            world: &look.world,
            past,
            whole: None,
            journal: &journal,
            viewer,
            links: &Links::Served(None),
            beside: None,
            pulse: Some(pulse),
            scripts: &[SCRIPT],
        };
        Ok((look.world.seq(), render(&moment, &asked.page)?))
    }

    /// A page of a moment of the past.
    fn past(
        &self,
        reader: &Reader,
        look: &Look,
        viewer: Viewer,
        asked: &Asked,
    ) -> Result<(u64, Markup), Unshown> {
        let past = self.past_of(reader, &look.world)?;
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let now = reader.now().ok_or_else(unread)?;
        let journal = journal(reader)?;
        present.go_on(&journal, &now.world)?;
        let moment = Moment {
            world: &look.world,
            past: &past,
            whole: present.past.as_ref(),
            journal: &journal,
            viewer,
            links: &Links::Served(asked.at),
            beside: None,
            pulse: None,
            scripts: &[],
        };
        Ok((look.world.seq(), render(&moment, &asked.page)?))
    }

    fn past_of(&self, reader: &Reader, world: &World) -> Result<Arc<Past>, Unshown> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = kept().iter().find(|(seq, _)| *seq == world.seq()) {
            return Ok(Arc::clone(found));
        }
        let past = Arc::new(Past::read(&journal(reader)?, world, |_| ())?);
        let mut kept = kept();
        kept.truncate(KEPT_MAX - 1);
        kept.push_front((world.seq(), Arc::clone(&past)));
        Ok(past)
    }
}

impl Present {
    /// Reads on to a state of the world. After a fault it is read from the beginning.
    fn go_on(&mut self, journal: &Journal, world: &World) -> Result<(), Unshown> {
        self.past = Some(match self.past.take() {
            Some(mut past) => {
                past.go_on(journal, world, |_| ())?;
                past
            }
            None => Past::read(journal, world, |_| ())?,
        });
        Ok(())
    }

    /// The steps in a second since a mark that is old enough.
    fn speed_at(&mut self, world: &World, now: Instant) -> Option<f64> {
        let steps: u64 = world.agents().map(|agent| agent.steps).sum();
        let (since, before) = *self.mark.get_or_insert((now, steps));
        let passed = now.saturating_duration_since(since);
        if passed >= SPEED_OVER {
            #[expect(clippy::cast_precision_loss, reason = "a speed is no account: it may be rounded")]
            let done = steps.saturating_sub(before) as f64;
            self.speed = Some(done / passed.as_secs_f64());
            self.mark = Some((now, steps));
        }
        self.speed
    }
}

fn journal(reader: &Reader) -> Result<Journal, Unshown> {
    reader.journal()?.map_err(|refusal| Unshown::NotFound(refusal.message))
}

fn unread() -> Unshown {
    Unshown::NotFound("the world is not served now".into())
}
