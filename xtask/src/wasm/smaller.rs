//! What makes the bound client smaller for a compressor: short names, and functions that are alike side by side.
//!
//! Nothing here looks at what the code does. The binder's names end in digits of a hash, which no compressor
//! shortens, once in the wasm and once in its glue. Of functions that begin alike and lie one after the other,
//! each costs little more than how it differs from the one before; those that are the same become one.

use std::collections::HashMap;
use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, ExportSection, FunctionSection, ImportSection, Module};
use wasmparser::{
    BinaryReaderError, CodeSectionReader, CustomSectionReader, Export, FunctionBody,
    FunctionSectionReader, Import, ImportSectionReader, Parser, Payload, TypeRef,
};

/// How the names begin by which the wasm and its glue call each other, and nobody else.
const INTERNAL: [&str; 2] = ["__wb", "wasm_bindgen__"];

/// What can be wrong with a module: it is one of a version that is not known here.
type Wrong = reencode::Error<Infallible>;

/// The client, bound.
pub(super) struct Bound {
    /// The module.
    pub(super) wasm: Vec<u8>,
    /// Its glue and the types of both.
    pub(super) scripts: Vec<String>,
}

impl Bound {
    /// The same, to be compressed.
    pub(super) fn smaller(self) -> Result<Self, Wrong> {
        let mut rewrite = Rewrite::new(&self.wasm)?;
        let mut module = Module::new();
        rewrite.parse_core_module(&mut module, Parser::new(0), &self.wasm)?;
        let scripts = self.scripts.iter().map(|script| rewrite.names.renamed(script));
        Ok(Self { scripts: scripts.collect(), wasm: module.finish() })
    }
}

/// How a module is written anew.
struct Rewrite<'a> {
    /// The types and bodies of its own functions, in their new order.
    functions: Vec<(u32, FunctionBody<'a>)>,
    /// The new index of each of them by the old one; functions that are imported keep theirs.
    indexes: HashMap<u32, u32>,
    names: Names,
}

impl<'a> Rewrite<'a> {
    fn new(wasm: &'a [u8]) -> Result<Self, BinaryReaderError> {
        let (mut imported, mut types, mut bodies) = (0, Vec::new(), Vec::new());
        for part in Parser::new(0).parse_all(wasm) {
            match part? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(all) => {
                    types = all.into_iter().collect::<Result<_, _>>()?
                }
                Payload::CodeSectionEntry(body) => bodies.push(body),
                _ => {}
            }
        }
        let functions = types.into_iter().zip(bodies).collect();
        let (functions, indexes) = sorted(imported, functions, |(of, body)| (*of, body.as_bytes()));
        Ok(Self { functions, indexes, names: Names::default() })
    }
}

/// What is left of items once each is there only once, in the order of their keys; and the index of each,
/// by the one it had. Indexes begin at `first`.
fn sorted<T, K: Ord>(
    first: u32,
    items: Vec<T>,
    key: impl Fn(&T) -> K,
) -> (Vec<T>, HashMap<u32, u32>) {
    let mut items: Vec<_> = (first..).zip(items).collect();
    items.sort_by_key(|(_, item)| key(item));
    let (mut kept, mut indexes, mut next) = (Vec::new(), HashMap::new(), first);
    for (index, item) in items {
        if kept.last().is_none_or(|last| key(last) != key(&item)) {
            kept.push(item);
            next += 1;
        }
        indexes.insert(index, next - 1);
    }
    (kept, indexes)
}

impl Reencode for Rewrite<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Wrong> {
        Ok(self.indexes.get(&function).copied().unwrap_or(function))
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader,
    ) -> Result<(), Wrong> {
        for import in section.into_imports() {
            let Import { module, name, ty } = import?;
            let ty = self.entity_type(ty)?;
            imports.import(module, &self.names.short(name), ty);
        }
        Ok(())
    }

    fn parse_export(&mut self, exports: &mut ExportSection, export: Export) -> Result<(), Wrong> {
        let name = self.names.short(export.name);
        reencode::utils::parse_export(self, exports, Export { name: &name, ..export })
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        _: FunctionSectionReader,
    ) -> Result<(), Wrong> {
        for (of, _) in &self.functions {
            functions.function(*of);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        _: CodeSectionReader,
    ) -> Result<(), Wrong> {
        for (_, body) in self.functions.clone() {
            self.parse_function_body(code, body)?;
        }
        Ok(())
    }

    /// None of them says anything to a browser.
    fn parse_custom_section(
        &mut self,
        _: &mut Module,
        _: CustomSectionReader,
    ) -> Result<(), Wrong> {
        Ok(())
    }
}

/// The short names, by the binder's.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    /// Where it is only internal, one that nothing in a script of the binder's has.
    fn short(&mut self, name: &str) -> String {
        if !INTERNAL.iter().any(|prefix| name.starts_with(prefix)) {
            return name.to_owned();
        }
        let next = format!("${}", self.0.len());
        self.0.entry(name.to_owned()).or_insert(next).clone()
    }

    /// A script in which they have them too.
    fn renamed(&self, script: &str) -> String {
        let words = script.split_inclusive(|at| !is_of_name(at));
        let word = |word: &str| {
            let (name, end) = word.split_at(word.find(|at| !is_of_name(at)).unwrap_or(word.len()));
            [self.0.get(name).map_or(name, String::as_str), end].concat()
        };
        words.map(word).collect()
    }
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        ElementSection, Elements, EntityType, ExportKind, Function, RefType, TableSection,
        TableType, TypeSection, ValType,
    };

    use super::*;

    /// Imports one function; its own, of indexes 1 to 4, return these.
    fn module(returned: [i32; 4]) -> Vec<u8> {
        let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
        types.ty().function([], [ValType::I32]);
        imports.import("./glue.js", "__wbg_now_0123456789abcdef", EntityType::Function(0));
        let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
        for number in returned {
            let mut body = Function::new([]);
            body.instructions().i32_const(number).end();
            functions.function(0);
            code.function(&body);
        }
        let (mut tables, mut elements) = (TableSection::new(), ElementSection::new());
        let element_type = RefType::FUNCREF;
        tables.table(TableType {
            element_type,
            table64: false,
            minimum: 4,
            maximum: None,
            shared: false,
        });
        let first = wasm_encoder::ConstExpr::i32_const(0);
        elements.active(None, &first, Elements::Functions(vec![1, 2, 3, 4].into()));
        let mut exports = ExportSection::new();
        exports.export("first", ExportKind::Func, 1);
        exports.export("__wbindgen_free", ExportKind::Func, 4);
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&tables);
        module.section(&exports).section(&elements).section(&code);
        module.finish()
    }

    fn smaller(wasm: Vec<u8>, script: &str) -> Bound {
        Bound { wasm, scripts: vec![script.to_owned()] }.smaller().unwrap()
    }

    #[test]
    fn functions_lie_in_order_and_whoever_calls_one_calls_the_same() {
        let (kept, indexes) = sorted(2, vec!["c", "a", "b", "a"], |item| *item);
        assert_eq!(kept, ["a", "b", "c"]);
        assert_eq!(indexes, HashMap::from([(2, 4), (3, 2), (4, 3), (5, 2)]));
        let mut exported = Vec::new();
        for part in Parser::new(0).parse_all(&smaller(module([7, 5, 6, 5]), "").wasm) {
            match part.unwrap() {
                Payload::ExportSection(exports) => {
                    exported.extend(exports.into_iter().map(|export| export.unwrap().index));
                }
                Payload::CodeSectionStart { count, .. } => assert_eq!(count, 3),
                _ => {}
            }
        }
        assert_eq!(exported, [3, 1]);
    }

    #[test]
    fn what_is_internal_has_one_short_name_in_the_wasm_and_in_the_scripts() {
        let script = "const a = { __wbg_now_0123456789abcdef: () => wasm.__wbindgen_free(first) }";
        let bound = smaller(module([1, 2, 3, 4]), script);
        assert_eq!(bound.scripts, ["const a = { $0: () => wasm.$1(first) }"]);
        let text = String::from_utf8_lossy(&bound.wasm).into_owned();
        assert!(text.contains("$0") && text.contains("$1") && text.contains("first"), "{text}");
        assert!(!text.contains("__wb"), "{text}");
    }

    #[test]
    fn what_is_made_is_a_module() {
        wasmparser::validate(&smaller(module([4, 3, 2, 1]), "").wasm).unwrap();
    }
}
