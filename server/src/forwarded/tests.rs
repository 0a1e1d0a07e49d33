use proptest::prelude::*;

use super::*;

fn hop_of(client: &str, host: &str, scheme: &str) -> Hop {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Hop { client: client.parse().ok(), host: text(host), scheme: text(scheme) }
}

#[test]
fn the_examples_of_rfc_7239_are_read() {
    for (line, hops_of_line) in [
        ("for=\"_gazonk\"", vec![hop_of("", "", "")]),
        ("For=\"[2001:db8:cafe::17]:4711\"", vec![hop_of("2001:db8:cafe::17", "", "")]),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", vec![hop_of("192.0.2.60", "", "http")]),
        (
            "for=192.0.2.43, for=198.51.100.17",
            vec![hop_of("192.0.2.43", "", ""), hop_of("198.51.100.17", "", "")],
        ),
        (
            "for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown",
            vec![
                hop_of("192.0.2.43", "", ""),
                hop_of("2001:db8:cafe::17", "", ""),
                hop_of("", "", ""),
            ],
        ),
        ("for=_hidden, for=_SEVKISEK", vec![hop_of("", "", ""), hop_of("", "", "")]),
    ] {
        assert_eq!(hops(line), Some(hops_of_line), "{line}");
    }
}

#[test]
fn what_proxies_write_is_read_though_no_standard_has_it() {
    for (line, client, host) in [
        ("for=192.0.2.1; host=files.example:8080 ;proto=https", "192.0.2.1", "files.example:8080"),
        ("for=[2001:db8::1];host=\"files.example\"", "2001:db8::1", "files.example"),
        (" , ;for=\"192.0.2.1:80\";;host=\"a\\\"b\",,", "192.0.2.1", "a\"b"),
        ("secret=x;for=\"192.0.2.1:_port\";HOST=h;by=_me", "192.0.2.1", "h"),
    ] {
        let hops = hops(line).unwrap();
        let [hop] = hops.as_slice() else { panic!("{hops:?}") };
        assert_eq!(hop.client, client.parse().ok(), "{line}");
        assert_eq!(hop.host.as_deref(), Some(host), "{line}");
    }
    assert_eq!(hops(""), Some(vec![]));
}

#[test]
fn what_could_be_read_in_two_ways_is_read_in_none() {
    for line in [
        "for=192.0.2.1;for=192.0.2.2",
        "for=192.0.2.1;FOR=192.0.2.1",
        // What a client begins and the proxy's own words would end.
        "for=\"192.0.2.1, for=192.0.2.2",
        "for=\"192.0.2.1\\",
        "for",
        "for=",
        "for =192.0.2.1",
        "=192.0.2.1",
        "for=192.0.2.1 for=192.0.2.2",
        "for=\"192.0.2.1\"x",
        "for=192.0.2.1/24",
        "for=é",
    ] {
        assert_eq!(hops(line), None, "{line}");
    }
}

#[test]
fn an_address_is_one_however_a_proxy_writes_it() {
    for (text, is) in [
        (" 192.0.2.1\t", "192.0.2.1"),
        ("192.0.2.1:8080", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:8080", "2001:db8::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
    ] {
        assert_eq!(address(text), is.parse().ok(), "{text}");
    }
    for text in [
        "",
        "unknown",
        "_x",
        "192.0.2",
        "192.0.2.1:",
        "192.0.2.1:123456",
        "192.0.2.1:x",
        "[192.0.2.1]",
        "[2001:db8::1",
        "[2001:db8::1]x",
        "192.0.2.1 192.0.2.2",
        "localhost",
        "fe80::1%eth0",
    ] {
        assert_eq!(address(text), None, "{text}");
    }
}

/// As careful proxies write a hop: everything quoted.
fn written(hop: &Hop) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let client = match hop.client {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => quoted(&address.to_string()),
        Some(IpAddr::V6(address)) => quoted(&format!("[{address}]")),
    };
    let mut parts = vec![format!("for={client}")];
    parts.extend(hop.host.iter().map(|host| format!("host={}", quoted(host))));
    parts.extend(hop.scheme.iter().map(|scheme| format!("proto={}", quoted(scheme))));
    parts.join(";")
}

fn any_hop() -> impl Strategy<Value = Hop> {
    let text = || prop::option::of("[ -~]{0,12}");
    (any::<Option<IpAddr>>(), text(), text()).prop_map(|(client, host, scheme)| Hop {
        client,
        host,
        scheme,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(wanted in prop::collection::vec(any_hop(), 0..5)) {
        let line = wanted.iter().map(written).collect::<Vec<_>>().join(" ,");
        prop_assert_eq!(hops(&line), Some(wanted));
    }

    /// The slow twin: where nothing is quoted a line is what lies between its commas, semicolons and equals signs.
    #[test]
    fn without_quotes_a_line_is_what_lies_between_its_signs(line in "[for,;=a1.:\\[\\] ]{0,40}") {
        let split = |text: &str, by: char| {
            let parts = text.split(by).map(|part| part.trim_matches(' ').to_owned());
            parts.filter(|part| !part.is_empty()).collect::<Vec<_>>()
        };
        let pair = |pair: &String| {
            let (name, value) = pair.split_once('=')?;
            let is_name = !name.is_empty() && !name.contains([' ', ':', '[', ']']);
            let is_value = !value.is_empty() && !value.contains([' ', '=']);
            (is_name && is_value).then(|| (name.to_owned(), value.to_owned()))
        };
        let elements = split(&line, ',').into_iter().map(|element| split(&element, ';'));
        let elements = elements.filter(|pairs| !pairs.is_empty());
        let of_twin: Option<Vec<_>> = elements
            .map(|pairs| {
                let pairs = pairs.iter().map(pair).collect::<Option<Vec<_>>>()?;
                let names: std::collections::BTreeSet<_> = pairs.iter().map(|(name, _)| name).collect();
                let client = pairs.iter().find(|(name, _)| name == "for");
                let hop = Hop { client: client.and_then(|(_, value)| node(value)), ..Hop::default() };
                (names.len() == pairs.len()).then_some(hop)
            })
            .collect();
        prop_assert_eq!(hops(&line), of_twin);
    }

    #[test]
    fn whatever_comes_is_read_or_not(line in any::<String>()) {
        let _ = (hops(&line), address(&line));
    }
}
