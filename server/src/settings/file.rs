//! The file: TOML, whose keys are the options of the server without their dashes.

use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Mistake, Said, Source, is_switch, judge};

/// What a file cannot say: where it is, and what else to do.
const NOT_IN_A_FILE: [&str; 4] = ["config", "check-config", "help", "version"];

/// Whether an option is one that a file, or the environment, can set.
pub(super) fn may_say(arg: &Arg) -> bool {
    arg.get_long().is_some_and(|name| !NOT_IN_A_FILE.contains(&name))
}

/// What a file says, and every mistake in it, in the order of its lines.
pub(super) fn read(command: &Command, path: &Path, text: &str) -> (Vec<Said>, Vec<Mistake>) {
    let at = |offset: usize| {
        let before = text.get(..offset).unwrap_or_default();
        Source::File(path.to_owned(), before.matches('\n').count() + 1)
    };
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            let what = format!("this is no TOML: {}", error.message());
            return (Vec::new(), vec![Mistake { source: at(offset), what }]);
        }
    };
    let mut keys: Vec<_> = table.get_ref().iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start);
    let (mut said, mut mistakes) = (Vec::new(), Vec::new());
    for (key, value) in keys {
        let source = at(key.span().start);
        match values(command, key.get_ref(), value) {
            Ok((id, values)) => {
                said.push(Said { id, key: key.get_ref().to_string(), values, source });
            }
            Err(what) => mistakes.push(Mistake { source, what }),
        }
    }
    (said, mistakes)
}

/// The option of that name, and the values for it, as a command line would have them.
fn values(
    command: &Command,
    key: &str,
    value: &Spanned<DeValue<'_>>,
) -> Result<(String, Vec<String>), String> {
    let is_it = |arg: &&Arg| arg.get_long() == Some(key) && may_say(arg);
    let arg = command.get_arguments().find(is_it).ok_or_else(|| unknown(command, key))?;
    let takes_many =
        matches!(arg.get_action(), ArgAction::Append) || arg.get_value_delimiter().is_some();
    let values = match value.get_ref() {
        DeValue::Array(items) if takes_many => {
            items.iter().map(|item| one(key, arg, item.get_ref())).collect::<Result<_, _>>()?
        }
        value => vec![one(key, arg, value)?],
    };
    judge(command, key, arg, &values)?;
    Ok((arg.get_id().to_string(), values))
}

/// One value, in words.
fn one(key: &str, arg: &Arg, value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::Boolean(is_on) if is_switch(arg) => Ok(is_on.to_string()),
        _ if is_switch(arg) => Err(format!("`{key}` is `true` or `false`, without quotes")),
        DeValue::String(text) => Ok(text.clone().into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().replace('_', "")),
        DeValue::Array(_) => Err(format!("`{key}` has one value, and no list of them")),
        other => Err(format!("`{key}` is text in quotes or a number, and no {}", other.type_str())),
    }
}

/// The one that may be meant, as clap would tell it.
pub(super) fn meant(command: &Command, key: &str) -> Option<String> {
    let argv = ["longhaul-server".to_owned(), format!("--{key}")];
    let told = command.clone().try_get_matches_from(argv).err();
    told.as_ref().and_then(|error| match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(arg)) => Some(arg.trim_start_matches('-').to_owned()),
        _ => None,
    })
}

fn unknown(command: &Command, key: &str) -> String {
    match meant(command, key) {
        Some(meant) => format!("there is no option `{key}`; perhaps `{meant}` is meant"),
        None => {
            format!("there is no option `{key}` for a file: `longhaul-server --help` lists them")
        }
    }
}
