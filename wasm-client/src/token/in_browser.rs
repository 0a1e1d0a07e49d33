use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::in_browser::endpoint;

/// A page's function, how often it was called, and what it lets be forgotten at the end.
struct Page {
    tokens: Tokens,
    calls: Rc<Cell<u32>>,
    _function: Closure<dyn FnMut() -> JsValue>,
}

/// A page whose function returns what this makes of the number of the call, from 1.
fn page(answer: impl Fn(u32) -> JsValue + 'static) -> Page {
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    let function = Closure::<dyn FnMut() -> JsValue>::new(move || {
        counted.set(counted.get() + 1);
        answer(counted.get())
    });
    let source = Source::Page(function.as_ref().unchecked_ref::<Function>().clone());
    Page { tokens: Tokens::new(source, &endpoint("token")), calls, _function: function }
}

fn resolved(value: impl Into<JsValue>) -> JsValue {
    Promise::resolve(&value.into()).into()
}

/// Whether a future is not ready when it is asked once.
async fn waits<T>(future: impl Future<Output = T>) -> bool {
    let mut future = pin!(future);
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

#[wasm_bindgen_test]
async fn a_page_is_asked_once_for_all_who_wait() {
    let page = page(|call| resolved(format!("token-{call}")));
    let (one, other) = (page.tokens.clone(), page.tokens.clone());
    let asked = Promise::all(&Array::of2(
        &wasm_bindgen_futures::future_to_promise(async move {
            Ok(one.authorization().await.unwrap().into())
        }),
        &wasm_bindgen_futures::future_to_promise(async move {
            Ok(other.authorization().await.unwrap().into())
        }),
    ));
    let answers = Array::from(&JsFuture::from(asked).await.unwrap());
    assert_eq!(answers.get(0).as_string().as_deref(), Some("Bearer token-1"));
    assert_eq!(answers.get(1), answers.get(0));
    assert_eq!(page.calls.get(), 1);
}

#[wasm_bindgen_test]
async fn a_refused_token_is_asked_for_anew_by_those_who_carried_it() {
    let page = page(|call| resolved(format!("token-{call}")));
    let bearer = Bearer::new(page.tokens.clone());
    assert_eq!(bearer.authorization(Ticket(1)).await.unwrap().as_deref(), Some("Bearer token-1"));
    assert!(bearer.renew(Ticket(1)).await);
    assert_eq!(bearer.known(Ticket(2)).as_deref(), Some("Bearer token-2"));
    assert!(bearer.renew(Ticket(1)).await, "there is a newer one already");
    assert_eq!(page.calls.get(), 2, "a late refusal asks nobody");
}

#[wasm_bindgen_test]
async fn the_same_token_again_is_no_fresh_one() {
    let page = page(|_| resolved("same"));
    let bearer = Bearer::new(page.tokens.clone());
    assert!(bearer.authorization(Ticket(1)).await.is_ok());
    assert!(!bearer.renew(Ticket(1)).await);
}

#[wasm_bindgen_test]
async fn a_page_that_gives_no_token_is_told_why_and_asked_again_later() {
    let page = page(|call| match call {
        1 => Promise::reject(&"signed out".into()).into(),
        2 => resolved(17),
        3 => resolved("not one\r\ntoken"),
        _ => "at last".replace(' ', "-").into(),
    });
    let told = page.tokens.authorization().await.unwrap_err().to_string();
    assert!(told.contains("signed out"), "{told}");
    for _ in 0..2 {
        let told = page.tokens.authorization().await.unwrap_err().to_string();
        assert!(told.contains("no string that a header can carry"), "{told}");
    }
    assert_eq!(page.tokens.authorization().await.unwrap().as_deref(), Some("Bearer at-last"));
}

#[wasm_bindgen_test]
async fn what_stands_around_a_token_is_no_part_of_it() {
    let page = page(|_| resolved("from-a-file\r\n"));
    let authorization = page.tokens.authorization().await.unwrap();
    assert_eq!(authorization.as_deref(), Some("Bearer from-a-file"));
    let fixed = Tokens::new(Source::Fixed(" \tfixed\n".into()), &endpoint("trimmed"));
    assert_eq!(fixed.authorization().await.unwrap().as_deref(), Some("Bearer fixed"));
}

#[wasm_bindgen_test]
async fn the_others_wait_for_the_guest_who_introduces_himself() {
    let tokens = Tokens::new(Source::None, &endpoint("guests"));
    let same = Tokens::new(Source::None, &endpoint("guests"));
    assert_eq!(tokens.authorization().await.unwrap(), None);
    let introduction = tokens.introduce().expect("nobody has a token");
    assert!(waits(same.authorization()).await);
    tokens.given(Some("guest".to_owned()));
    drop(introduction);
    assert_eq!(same.authorization().await.unwrap().as_deref(), Some("Bearer guest"));
    drop((tokens, same));
    let reloaded = Tokens::new(Source::None, &endpoint("guests"));
    assert_eq!(reloaded.authorization().await.unwrap().as_deref(), Some("Bearer guest"));
    let elsewhere = Tokens::new(Source::None, &endpoint("other-guests"));
    assert_eq!(elsewhere.authorization().await.unwrap(), None);
    web_sys::window().unwrap().local_storage().unwrap().unwrap().clear().unwrap();
}

#[wasm_bindgen_test]
async fn a_refused_guest_becomes_another_one() {
    let bearer = Bearer::new(Tokens::new(Source::None, &endpoint("refused")));
    bearer.tokens().given(Some("old".to_owned()));
    assert_eq!(bearer.known(Ticket(1)).as_deref(), Some("Bearer old"));
    assert!(bearer.renew(Ticket(1)).await);
    assert_eq!(bearer.known(Ticket(2)), None, "the refused one is kept and still not used");
    let fixed = Bearer::new(Tokens::new(Source::Fixed("one".into()), &endpoint("refused")));
    assert_eq!(fixed.known(Ticket(1)).as_deref(), Some("Bearer one"));
    assert!(!fixed.renew(Ticket(1)).await, "there is no other");
    web_sys::window().unwrap().local_storage().unwrap().unwrap().clear().unwrap();
}
