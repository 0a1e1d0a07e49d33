use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

const PAGE: &str = "https://page.example/folder/index.html?a#b";

fn at(given: &str) -> Option<(String, bool)> {
    let endpoint = Endpoint::parse(given, PAGE).ok()?;
    Some((endpoint.at("/v1/uploads"), endpoint.is_foreign()))
}

fn own(address: &str) -> Option<(String, bool)> {
    Some((address.to_owned(), false))
}

#[wasm_bindgen_test]
fn an_address_may_be_relative_to_the_page() {
    assert_eq!(at(""), own("https://page.example/v1/uploads"));
    assert_eq!(at("/files/?a#b"), own("https://page.example/files/v1/uploads"));
    assert_eq!(at("files"), own("https://page.example/folder/files/v1/uploads"));
}

#[wasm_bindgen_test]
fn another_scheme_name_or_port_is_another_origin() {
    for foreign in ["http://page.example", "https://files.page.example", "https://page.example:1"] {
        assert_eq!(at(foreign), Some((format!("{foreign}/v1/uploads"), true)));
    }
}

#[wasm_bindgen_test]
fn what_no_request_can_go_to_is_refused_by_name() {
    for none in
        ["ftp://a.example", "data:,a", "https://me@a.example", "https://me:1@a.example", "https://"]
    {
        let error = Endpoint::parse(none, PAGE).unwrap_err();
        assert!(error.to_string().contains(none), "{error}");
    }
}
