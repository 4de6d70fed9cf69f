//! Problems that pass by themselves: each is told once, and so is its end.

use std::fmt;

/// Something that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is tried again, and goes wrong until it is over.
    Problem(String),
    /// The problem that was told before is over, and what goes on.
    Over(String),
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(problem) => write!(f, "{problem}; it is tried again"),
            Self::Over(goes_on) => write!(f, "that is over: {goes_on}"),
        }
    }
}

/// The problem that was told last, while it lasts.
#[derive(Debug, Default)]
pub struct Trouble(Option<String>);

impl Trouble {
    /// The news of a problem, unless it was told already.
    pub fn problem(&mut self, problem: String) -> Option<News> {
        if self.0.as_ref() == Some(&problem) {
            return None;
        }
        self.0 = Some(problem.clone());
        Some(News::Problem(problem))
    }

    /// The news that nothing is wrong, where a problem was told.
    pub fn over(&mut self, goes_on: impl FnOnce() -> String) -> Option<News> {
        self.0.take().map(|_| News::Over(goes_on()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_and_its_end_are_told_once() {
        let mut told = Trouble::default();
        let goes_on = || "it goes on".to_owned();
        assert_eq!(told.over(goes_on), None);
        for problem in ["away", "full", "away"] {
            assert_eq!(told.problem(problem.into()), Some(News::Problem(problem.into())));
            assert_eq!(told.problem(problem.into()), None);
        }
        assert_eq!(told.over(goes_on), Some(News::Over(goes_on())));
        assert_eq!(told.over(goes_on), None);
        assert_eq!(told.problem("away".into()).expect("news").to_string(), "away; it is tried again");
    }
}
