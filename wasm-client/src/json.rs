//! JSON by the browser's own parser.

use js_sys::{Array, JSON, Object, Reflect};
use longhaul_protocol::Millis;
use longhaul_protocol::wire::answer::Raw;
use longhaul_protocol::wire::json::{ToJson, Tree};
use serde::{Serialize, Serializer as _};
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::{JsCast as _, JsValue};

use crate::clock;
use crate::number::{float, whole};

/// What the parser has made.
#[derive(Clone, Debug)]
pub(crate) struct Js(JsValue);

/// `None` for what is no JSON.
pub(crate) fn parse(text: &str) -> Option<Js> {
    JSON::parse(text).ok().map(Js)
}

/// Plain objects, as the parser makes them.
pub(crate) fn plain(value: &impl ToJson) -> Result<JsValue, JsValue> {
    JSON::parse(&value.to_json())
}

/// An object of one member, as the browser takes options. A map and no `struct`: for the names of those
/// serde-wasm-bindgen keeps a hash table, which is a hundredth of the wasm.
pub(crate) fn option(name: &'static str, value: impl Serialize) -> Option<JsValue> {
    Serializer::json_compatible().collect_map([(name, value)]).ok()
}

/// An answer that has come just now.
pub(crate) fn answer(status: u16, body: &str, retry_after: Option<String>) -> Raw<Js> {
    let came_at = clock::since_1970();
    Raw { status, body: parse(body), retry_after, came_at, read_date }
}

/// A browser reads much for a date that is none of HTTP's, which all end like this.
fn read_date(value: &str) -> Option<Millis> {
    let date = value.ends_with("GMT").then(|| js_sys::Date::parse(value))?;
    (!date.is_nan()).then(|| Millis(whole(date)))
}

impl From<JsValue> for Js {
    fn from(value: JsValue) -> Self {
        Self(value)
    }
}

impl Tree for Js {
    fn member(&self, name: &str) -> Option<Self> {
        let member = Reflect::get(&self.0, &name.into()).ok()?;
        (!member.is_null() && !member.is_undefined()).then_some(Self(member))
    }

    fn members(&self) -> Option<Vec<(String, Self)>> {
        let entries = Object::entries(self.0.dyn_ref::<Object>()?);
        let entry = |entry: JsValue| {
            let entry: &Array = entry.unchecked_ref();
            Some((entry.get(0).as_string()?, Self(entry.get(1))))
        };
        entries.iter().map(entry).collect()
    }

    fn items(&self) -> Option<Vec<Self>> {
        Some(self.0.dyn_ref::<Array>()?.iter().map(Self).collect())
    }

    fn text(&self) -> Option<String> {
        self.0.as_string()
    }

    fn number(&self) -> Option<u64> {
        let number = self.0.as_f64()?;
        let whole = whole(number);
        (number >= 0.0 && (number - float(whole)).abs() < f64::MIN_POSITIVE).then_some(whole)
    }

    fn truth(&self) -> Option<bool> {
        self.0.as_bool()
    }

    fn is_null(&self) -> bool {
        self.0.is_null()
    }
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser;
