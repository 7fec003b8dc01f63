//! How the limits of a call stood, for the headers of its answer.

use crate::{actors::quota_keeper::GivenBack, domain::limit::Standing};

/// What was asked of the limits of a call by now. They are asked in two steps: what counts calls before the body is read,
/// what counts tokens after it.
#[derive(Default)]
pub struct LimitsTold {
    /// Policies of requests and of calls under way were asked, or are not to be asked any more.
    pub calls_asked: bool,
    /// So were policies of tokens.
    pub tokens_asked: bool,
    steps: Vec<Step>,
}

struct Step {
    standings: Vec<Standing>,
    /// Knows whether the call is given back what it has taken in this step.
    given_back: Option<GivenBack>,
}

impl LimitsTold {
    /// Keeps how policies stood.
    pub fn add(&mut self, standings: Vec<Standing>, given_back: Option<GivenBack>) {
        self.steps.push(Step { standings, given_back });
    }

    /// Whether the call was given back what it had taken in any step.
    pub fn is_given_back(&self) -> bool {
        self.steps.iter().any(|step| step.given_back.as_ref().is_some_and(GivenBack::is_so))
    }

    /// How all of them stand now.
    pub fn now(&self) -> Vec<Standing> {
        let mut standings = Vec::with_capacity(self.steps.iter().map(|step| step.standings.len()).sum());
        for step in &self.steps {
            let is_given_back = step.given_back.as_ref().is_some_and(GivenBack::is_so);
            let now = |standing: &Standing| if is_given_back { standing.given_back() } else { standing.clone() };
            standings.extend(step.standings.iter().map(now));
        }
        standings
    }
}
