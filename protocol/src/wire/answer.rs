//! Reading what a server answered: the same for control calls and for chunks, in a browser and in a
//! terminal.

use crate::problem::Problem;
use crate::time::Millis;
use crate::upload::Failure;
use crate::wire::json::{FromJson, Tree};

/// The header that says when to come back.
pub const RETRY_AFTER: &str = "retry-after";

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Raw<T> {
    /// The HTTP status.
    pub status: u16,
    /// The body, if it is JSON.
    pub body: Option<T>,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// When it came, since 1970: what a date in `Retry-After` is measured from.
    pub came_at: Millis,
    /// Reads an HTTP date (RFC 9110, section 5.6.7): whoever asks has something that can.
    pub read_date: fn(&str) -> Option<Millis>,
}

impl<T: Tree> Raw<T> {
    /// What the body of a good answer says.
    ///
    /// # Errors
    /// [`Failure::Refused`] for a refusal; [`Failure::Network`] for what no Longhaul server says.
    pub fn json<U: FromJson>(self) -> Result<U, Failure> {
        if !self.is_good() {
            return Err(self.refusal());
        }
        let Some(body) = &self.body else { return Err(self.foreign("JSON was expected")) };
        U::from_json(body).map_err(|wrong| self.foreign(&wrong.to_string()))
    }

    /// A good answer that has nothing to say: 204, and no other, because a hotel's sign-in page
    /// answers 200 to everything.
    ///
    /// # Errors
    /// As of [`Raw::json`].
    pub fn nothing(self) -> Result<(), Failure> {
        match self.status {
            204 => Ok(()),
            _ if self.is_good() => Err(self.foreign("204 was expected")),
            _ => Err(self.refusal()),
        }
    }

    /// Whether it is no refusal.
    #[must_use]
    pub fn is_good(&self) -> bool {
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
        let problem = self.body.as_ref().and_then(|body| Problem::from_json(body).ok());
        let problem = Box::new(problem.unwrap_or_else(|| Problem::of_status(self.status)));
        let retry_after = self.retry_after.as_deref().and_then(|value| self.wait(value));
        Failure::Refused { problem, retry_after }
    }

    /// Seconds, or a date (RFC 9110, section 10.2.3).
    fn wait(&self, value: &str) -> Option<Millis> {
        match value.trim().parse::<u64>() {
            Ok(seconds) => Some(Millis(seconds.saturating_mul(1000))),
            Err(_) => (self.read_date)(value).map(|date| date.since(self.came_at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::ProblemCode;
    use crate::wire::UploadList;
    use serde_json::Value;

    fn raw(status: u16, body: &str) -> Raw<Value> {
        let body = serde_json::from_str(body).ok();
        let read_date = |date: &str| {
            let date = httpdate::parse_http_date(date).ok()?;
            let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
            Some(Millis(u64::try_from(since.as_millis()).ok()?))
        };
        Raw { status, body, retry_after: None, came_at: Millis(0), read_date }
    }

    #[test]
    fn a_problem_is_read_with_its_wait() {
        let problem = ProblemCode::TooManyRequests.problem("slow down");
        let body = serde_json::to_string(&problem).unwrap();
        let answer = Raw { retry_after: Some(" 7".into()), ..raw(429, &body) };
        let refused =
            Failure::Refused { problem: Box::new(problem), retry_after: Some(Millis(7000)) };
        assert_eq!(answer.clone().nothing(), Err(refused.clone()));
        assert_eq!(answer.json::<UploadList>(), Err(refused));
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
    fn a_proxys_limit_is_told_as_the_proxys_and_not_as_the_servers() {
        let page = "<html><h1>413 Request Entity Too Large</h1><hr>nginx</html>";
        let Err(Failure::Refused { problem, .. }) = raw(413, page).nothing() else {
            panic!("413 is a refusal");
        };
        assert_eq!((problem.status, problem.retryable), (413, false));
        assert!(problem.title.contains("proxy"), "{}", problem.title);
        assert!(problem.advice.contains("client_max_body_size"), "{}", problem.advice);
        let ours = ProblemCode::TooLarge.problem("the limit is 5 bytes");
        let body = serde_json::to_string(&ours).unwrap();
        let Err(Failure::Refused { problem, .. }) = raw(413, &body).nothing() else {
            panic!("413 is a refusal");
        };
        assert_eq!(*problem, ours, "the server's own words stay");
    }

    #[test]
    fn a_sign_in_page_is_not_taken_for_an_answer() {
        assert!(matches!(raw(200, "<h1>Welcome</h1>").nothing(), Err(Failure::Network(_))));
        assert!(matches!(raw(200, "<h1>Hi</h1>").json::<UploadList>(), Err(Failure::Network(_))));
        assert_eq!(raw(204, "").nothing(), Ok(()));
        assert!(raw(200, r#"{"uploads":[]}"#).json::<UploadList>().is_ok());
    }

    #[test]
    fn a_date_to_come_back_at_is_measured_from_when_the_answer_came() {
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        let at = Millis(1_445_412_480_000);
        let wait = |date, came_at| Raw { came_at, ..raw(503, "") }.wait(date);
        assert_eq!(wait(date, Millis(at.0 - 5000)), Some(Millis(5000)));
        assert_eq!(wait(date, Millis(at.0 + 5000)), Some(Millis(0)), "it is past");
        assert_eq!(wait("soon", at), None);
    }
}
