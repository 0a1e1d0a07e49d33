//! `GET /v1/problems`: the error table, for people. The `type` of every problem points into it.

use std::fmt::Write as _;

use longhaul_protocol::ProblemCode;
use longhaul_protocol::problem::Retry;

use crate::outcome::Outcome;

pub(super) fn run() -> Outcome {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Longhaul: problems</title>\
         <h1>What can go wrong</h1><table><tr><th>Code<th>Status<th>What happened\
         <th>What you can do<th>What a client does",
    );
    for code in ProblemCode::ALL {
        // Nothing in the table needs an escape, which its test holds; writing to a String cannot fail.
        let _ = write!(html, "{}", row(*code));
    }
    html.push_str("</table></html>\n");
    Outcome::Html(html)
}

fn row(code: ProblemCode) -> String {
    let row = code.row();
    let advice = row.advice.replace('`', "");
    format!(
        "\n<tr id=\"{0}\"><td>{0}<td>{1}<td>{2}<td>{advice}<td>{3}",
        row.code,
        row.status,
        row.title,
        what_a_client_does(row.retry)
    )
}

fn what_a_client_does(retry: Retry) -> &'static str {
    match retry {
        Retry::Never => "tells the user",
        Retry::Later => "tries again after a wait",
        Retry::AfterStatus => "leaves it to the other sender, then asks for the status",
        Retry::Reconcile => "takes the server's word and goes on",
        Retry::Restart => "begins a new upload",
        Retry::Renew => "asks the page for a fresh token, once",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_there_and_needs_no_escape() {
        let Outcome::Html(html) = run() else { panic!("not a page") };
        for code in ProblemCode::ALL {
            assert!(html.contains(&format!("id=\"{}\"", code.row().code)));
            let text = format!("{}{}", code.row().title, code.row().advice);
            assert!(!text.contains(['<', '>', '&']), "{text}");
        }
    }
}
