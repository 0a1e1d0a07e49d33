//! Tables and what stands in them.

/// A table, without columns that say nothing in any row, or nothing where it has no row.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let is_said =
        |column: usize| rows.iter().any(|row| row.get(column).is_some_and(|it| !it.is_empty()));
    let said: Vec<_> = (0..heads.len()).filter(|column| is_said(*column)).collect();
    if said.is_empty() {
        return String::new();
    }
    let heads: Vec<_> = said.iter().filter_map(|column| heads.get(*column)).collect();
    let kept = |row: &Vec<String>| -> Vec<String> {
        said.iter().filter_map(|column| row.get(*column)).map(|cell| cell_of(cell)).collect()
    };
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(heads.iter().map(|head| (**head).to_owned()).collect());
    text += &line(vec!["---".to_owned(); heads.len()]);
    for row in rows {
        text += &line(kept(row));
    }
    text + "\n"
}

/// A text as one line, in which nothing ends a cell.
fn cell_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// As it is written in a program.
pub(crate) fn code(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// A heading with what stands under it, or nothing where that is nothing.
pub(crate) fn section(heading: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{heading}\n\n{}\n\n", text.trim_end()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_ends_where_it_ends() {
        let rows = [vec![code("a | b"), "two\nlines".to_owned()]];
        assert_eq!(
            table(&["x", "y"], &rows),
            "| x | y |\n| --- | --- |\n| `a \\| b` | two lines |\n\n"
        );
        assert_eq!(table(&["x"], &[]), "");
        let silent = [vec!["a".to_owned(), String::new(), "b".to_owned()]];
        assert_eq!(table(&["x", "y", "z"], &silent), "| x | z |\n| --- | --- |\n| a | b |\n\n");
        assert_eq!(code("a`b"), "`` a`b ``");
    }
}
