//! Taking out what the binder leaves behind.

use std::collections::HashSet;

use walrus::{ElementItems, ExportItem, FunctionId, Module};

/// What calls a closure of one kind from JavaScript: in the name of each such function.
const CALLS_CLOSURE: &str = "::convert::closures::_::invoke::<";

/// Takes out what calls closures of kinds that this client never makes: js-sys has fifty. The binder asks each
/// for its type, for which it has to be in the table of functions, and exports those that are called.
pub(super) fn take_out(module: &mut Module) {
    let exported: HashSet<_> =
        module.exports.iter().filter_map(|export| function(&export.item)).collect();
    let named = module
        .funcs
        .iter()
        .filter(|function| function.name.as_ref().is_some_and(|name| name.contains(CALLS_CLOSURE)));
    let unused: HashSet<_> =
        named.map(|function| function.id()).filter(|id| !exported.contains(id)).collect();
    for element in module.elements.iter_mut() {
        if let ElementItems::Functions(functions) = &mut element.items {
            replace(functions, &unused);
        }
    }
    walrus::passes::gc::run(module);
}

fn function(item: &ExportItem) -> Option<FunctionId> {
    match item {
        ExportItem::Function(id) => Some(*id),
        _ => None,
    }
}

/// The others keep their places, and a place has to have a function.
fn replace(functions: &mut [FunctionId], unused: &HashSet<FunctionId>) {
    let Some(other) = functions.iter().copied().find(|id| !unused.contains(id)) else { return };
    functions.iter_mut().filter(|id| unused.contains(id)).for_each(|id| *id = other);
}

#[cfg(test)]
mod tests {
    use walrus::{ConstExpr, ElementKind, FunctionBuilder, RefType, ir::Value};

    use super::*;

    fn function(module: &mut Module, name: &str) -> FunctionId {
        let mut builder = FunctionBuilder::new(&mut module.types, &[], &[]);
        builder.name(name.to_owned()).func_body().unreachable();
        builder.finish(vec![], &mut module.funcs)
    }

    #[test]
    fn only_what_calls_closures_and_is_not_exported_goes_and_no_other_function_moves() {
        let mut module = Module::default();
        let names = [
            "a::convert::closures::_::invoke::<i8>",
            "b",
            "c::convert::closures::_::invoke::<()>",
            "d",
        ];
        let functions = names.map(|name| function(&mut module, name));
        module.exports.add("c", functions[2]);
        let table = module.tables.add_local(false, 4, None, RefType::FUNCREF);
        module.exports.add("table", table);
        let kind = ElementKind::Active { table, offset: ConstExpr::Value(Value::I32(0)) };
        let element = module.elements.add(kind, ElementItems::Functions(functions.to_vec()));
        module.tables.get_mut(table).elem_segments.insert(element);
        take_out(&mut module);
        let [_, b, c, d] = functions;
        let ElementItems::Functions(kept) = &module.elements.get(element).items else { panic!() };
        assert_eq!(*kept, [b, b, c, d]);
        assert_eq!(module.funcs.iter().count(), 3);
    }
}
