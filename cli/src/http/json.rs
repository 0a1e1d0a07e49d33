//! JSON as `serde_json` reads it, for the tables of `longhaul-protocol`.

use longhaul_protocol::wire::from_json;
use longhaul_protocol::wire::json::Tree;
use serde_json::Value;

/// A value.
#[derive(Clone, Debug)]
pub struct Json(Value);

impl Json {
    /// `None` for what is no JSON.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        from_json(bytes).ok().map(Self)
    }
}

impl Tree for Json {
    fn member(&self, name: &str) -> Option<Self> {
        self.0.get(name).filter(|member| !member.is_null()).cloned().map(Self)
    }

    fn members(&self) -> Option<Vec<(String, Self)>> {
        let object = self.0.as_object()?;
        Some(object.iter().map(|(name, value)| (name.clone(), Self(value.clone()))).collect())
    }

    fn items(&self) -> Option<Vec<Self>> {
        Some(self.0.as_array()?.iter().cloned().map(Self).collect())
    }

    fn text(&self) -> Option<String> {
        self.0.as_str().map(str::to_owned)
    }

    fn number(&self) -> Option<u64> {
        self.0.as_u64()
    }

    fn truth(&self) -> Option<bool> {
        self.0.as_bool()
    }

    fn is_null(&self) -> bool {
        self.0.is_null()
    }
}
