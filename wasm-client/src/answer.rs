//! Reading what a server answered: the same for control calls and for chunks.

use longhaul_protocol::upload::Failure;
use longhaul_protocol::{Millis, Problem};
use serde::de::DeserializeOwned;

use crate::clock;
use crate::number::whole;

/// The header that says when to come back.
pub(crate) const RETRY_AFTER: &str = "retry-after";

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: String,
    /// The `Retry-After` header.
    pub(crate) retry_after: Option<String>,
}

impl Raw {
    /// What the body of a good answer says.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T, Failure> {
        if !self.is_good() {
            return Err(self.refusal());
        }
        serde_json::from_str(&self.body).map_err(|error| self.foreign(&error.to_string()))
    }

    /// A good answer that has nothing to say: 204, and no other, because a hotel's sign-in page
    /// answers 200 to everything.
    pub(crate) fn nothing(self) -> Result<(), Failure> {
        match self.status {
            204 => Ok(()),
            _ if self.is_good() => Err(self.foreign("204 was expected")),
            _ => Err(self.refusal()),
        }
    }

    fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A good status around something that no Longhaul server says: as if there had been no answer.
    fn foreign(&self, why: &str) -> Failure {
        Failure::Network(format!(
            "status {} from something that is no Longhaul server: {why}",
            self.status
        ))
    }

    fn refusal(self) -> Failure {
        let problem = serde_json::from_str(&self.body);
        let problem = Box::new(problem.unwrap_or_else(|_| Problem::of_status(self.status)));
        Failure::Refused { problem, retry_after: self.retry_after.as_deref().and_then(wait) }
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn wait(value: &str) -> Option<Millis> {
    match value.trim().parse::<u64>() {
        Ok(seconds) => Some(Millis(seconds.saturating_mul(1000))),
        Err(_) => {
            let date = js_sys::Date::parse(value);
            (!date.is_nan()).then(|| Millis(whole(date)).since(clock::since_1970()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_protocol::ProblemCode;
    use longhaul_protocol::wire::FileList;

    fn raw(status: u16, body: &str) -> Raw {
        Raw { status, body: body.into(), retry_after: None }
    }

    #[test]
    fn a_problem_is_read_with_its_wait() {
        let problem = ProblemCode::TooManyRequests.problem("slow down");
        let body = serde_json::to_string(&problem).unwrap();
        let answer = Raw { retry_after: Some(" 7".into()), ..raw(429, &body) };
        let refused =
            Failure::Refused { problem: Box::new(problem), retry_after: Some(Millis(7000)) };
        assert_eq!(answer.clone().nothing(), Err(refused.clone()));
        assert_eq!(answer.json::<FileList>(), Err(refused));
    }

    #[test]
    fn a_proxys_error_page_is_read_by_its_status() {
        let Err(Failure::Refused { problem, .. }) = raw(502, "<h1>Bad Gateway</h1>").nothing()
        else {
            panic!("502 is a refusal");
        };
        assert_eq!((problem.status, problem.retryable), (502, true));
    }

    #[test]
    fn a_sign_in_page_is_not_taken_for_an_answer() {
        assert!(matches!(raw(200, "<h1>Welcome</h1>").nothing(), Err(Failure::Network(_))));
        assert!(matches!(raw(200, "<h1>Hi</h1>").json::<FileList>(), Err(Failure::Network(_))));
        assert_eq!(raw(204, "").nothing(), Ok(()));
        assert!(raw(200, r#"{"files":[]}"#).json::<FileList>().is_ok());
    }
}
