use std::cell::RefCell;

use longhaul_protocol::upload::{Failure, Phase};
use longhaul_protocol::{Millis, ProblemCode};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::event::{About, Standing};
use crate::in_browser::{field, object};

fn message(error: JsError) -> String {
    field(&JsValue::from(error), "message").as_string().unwrap()
}

#[wasm_bindgen_test]
fn options_are_read_and_what_is_wrong_with_them_is_said() {
    let none = Options::read(&JsValue::UNDEFINED).ok().unwrap();
    assert_eq!((none.endpoint.as_str(), none.files_at_once), ("", None));
    let given = object(&[("filesAtOnce", 3.into()), ("endpoint", "/a".into())]);
    let some = Options::read(&given).ok().unwrap();
    assert_eq!((some.endpoint.as_str(), some.files_at_once), ("/a", Some(3.0)));
    for (name, value) in [
        ("filesAtOnce", "many".into()),
        ("logLevel", "loud".into()),
        ("endpoint", 1.into()),
        ("verifySource", "yes".into()),
    ] {
        let told = message(Options::read(&object(&[(name, value)])).err().unwrap());
        assert!(told.starts_with("the options are not what longhaul.d.ts says: "), "{told}");
        assert!(told.contains(name), "{told}");
    }
    assert!(Options::read(&"no object".into()).is_err());
}

#[wasm_bindgen_test]
fn metadata_are_an_object_of_strings_or_nothing() {
    assert!(read_metadata(JsValue::NULL).ok().unwrap().is_empty());
    let some = read_metadata(object(&[("a", "b".into())])).ok().unwrap();
    assert_eq!(some.get("a").map(String::as_str), Some("b"));
    for wrong in [object(&[("a", 1.into())]), "text".into()] {
        assert!(message(read_metadata(wrong).err().unwrap()).contains("metadata"));
    }
}

#[wasm_bindgen_test]
fn a_token_is_a_string_or_a_function() {
    let with = |token: JsValue| source(&object(&[("token", token)]));
    assert!(matches!(source(&JsValue::UNDEFINED), Ok(Source::None)));
    assert!(matches!(with(JsValue::NULL), Ok(Source::None)));
    assert!(matches!(with("a".into()), Ok(Source::Fixed(token)) if token == "a"));
    assert!(matches!(with(Function::default().into()), Ok(Source::Page(_))));
    assert!(message(with(1.into()).err().unwrap()).contains("`token`"));
}

#[wasm_bindgen_test]
fn events_come_as_plain_objects() {
    let (target, heard) = (EventTarget::new().unwrap(), Rc::new(RefCell::new(vec![])));
    let into = Rc::clone(&heard);
    let listener = Closure::<dyn FnMut(CustomEvent)>::new(move |event: CustomEvent| {
        into.borrow_mut().push(event.detail());
    });
    let function = listener.as_ref().unchecked_ref();
    target.add_event_listener_with_callback("state", function).unwrap();
    let problem = Box::new(ProblemCode::Unavailable.problem("it stops"));
    let why = Failure::Refused { problem, retry_after: None };
    let waiting = Standing::Moves(Phase::Waiting { until: Millis(5), why });
    let about = || About { id: 7, name: "ä.mov".to_owned() };
    emit(&target, &Event::state(about(), &waiting, Some(Millis(1 << 45))));
    emit(&target, &Event::state(about(), &Standing::Queued, None));
    let heard = heard.borrow();
    let [waits, queued] = heard.as_slice() else { panic!("{} events", heard.len()) };
    assert_eq!(field(waits, "id"), 7);
    assert_eq!(field(waits, "name"), "ä.mov");
    assert_eq!(field(waits, "state"), "waiting");
    assert_eq!(field(waits, "retryAt"), (1u64 << 45) as f64);
    assert!(field(waits, "message").as_string().unwrap().contains("it stops"));
    assert_eq!(field(queued, "state"), "queued");
    assert!(field(queued, "retryAt").is_null());
}
