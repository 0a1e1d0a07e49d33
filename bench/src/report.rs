//! What a bench found: tables for people, JSON lines for programs, a section of
//! `docs/benchmarks.md` for both.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Error, Result, io};
use crate::measure::Spread;

/// Rows under a heading. The cells are text already.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|&column| column.to_owned()).collect(), rows: vec![] }
    }

    /// One more row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// As Markdown whose columns line up, which is what a terminal wants too.
    fn markdown(&self) -> String {
        let all = || std::iter::once(&self.columns).chain(&self.rows);
        let width = |column: usize| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
        let body = self.rows.iter();
        let rows = std::iter::once(&self.columns).chain(std::iter::once(&rule)).chain(body);
        rows.map(|row| line(row, &widths)).collect()
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, &width)| format!(" {cell:<width$} |"));
    format!("|{}\n", cells.collect::<String>())
}

/// What one bench found.
#[derive(Clone, Debug)]
pub struct Report {
    name: &'static str,
    text: String,
    records: Vec<Value>,
}

impl Report {
    /// An empty report.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, text: String::new(), records: Vec::new() }
    }

    /// A sentence about how it was measured, or what it means.
    pub fn say(&mut self, text: impl AsRef<str>) {
        self.separate();
        let _ = writeln!(self.text, "{}", text.as_ref());
    }

    /// A table.
    pub fn table(&mut self, table: &Table) {
        self.separate();
        self.text.push_str(&table.markdown());
    }

    /// Figures for programs: one line of JSON.
    pub fn record(&mut self, subject: &str, metric: &str, unit: &str, figures: impl Serialize) {
        self.records.push(json!({
            "bench": self.name, "subject": subject, "metric": metric, "unit": unit,
            "figures": figures,
        }));
    }

    /// The tables.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes `DIR/<name>.jsonl`, the machine and the versions in its first line.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_json(&self, dir: &Path, about: &Value) -> Result<()> {
        let lines = std::iter::once(about).chain(&self.records).map(|line| format!("{line}\n"));
        let path = dir.join(format!("{}.jsonl", self.name));
        fs::write(&path, lines.collect::<String>())
            .map_err(io(format!("writing {}", path.display())))
    }

    /// Puts the tables between the two marks that this bench has in a page.
    ///
    /// # Errors
    /// [`Error::NoMarker`], [`Error::Io`].
    pub fn write_into(&self, page: &Path, machine: &str) -> Result<()> {
        let text = fs::read_to_string(page).map_err(io(format!("reading {}", page.display())))?;
        let section = format!("\n{machine}\n\n{}\n", self.text.trim_end());
        let text = replace_between(&text, self.name, &section)?;
        fs::write(page, text).map_err(io(format!("writing {}", page.display())))
    }

    fn separate(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }
}

fn replace_between(text: &str, name: &str, section: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- bench {name} -->\n"), format!("<!-- /bench {name} -->\n"));
    let missing = |marker: &str| Error::NoMarker { marker: marker.trim().to_owned() };
    let (before, rest) = text.split_once(&begin).ok_or_else(|| missing(&begin))?;
    let (_, after) = rest.split_once(&end).ok_or_else(|| missing(&end))?;
    Ok(format!("{before}{begin}{section}\n{end}{after}"))
}

/// `median (min–max)`, with `digits` after the point.
#[must_use]
pub fn median_and_ends(values: &[f64], digits: usize) -> String {
    Spread::of(values).map_or_else(
        || "not measured".to_owned(),
        |Spread { median, min, max, .. }| {
            format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
        },
    )
}

/// A ratio and whether it reaches its goal.
#[must_use]
pub fn against_goal(ratios: &[f64], goal: f64) -> String {
    match Spread::of(ratios) {
        Some(spread) if spread.median >= goal => format!("≥ {goal:.1}: reached"),
        Some(_) => format!("≥ {goal:.1}: missed"),
        None => format!("≥ {goal:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["who", "MB/s"]);
        table.row(["longhaul".to_owned(), "1".to_owned()]);
        let expected = "| who      | MB/s |\n| -------- | ---- |\n| longhaul | 1    |\n";
        assert_eq!(table.markdown(), expected);
    }

    #[test]
    fn a_section_is_replaced_and_nothing_else() {
        let page = "a\n<!-- bench x -->\nold\n<!-- /bench x -->\nb\n";
        let replaced = replace_between(page, "x", "new").unwrap();
        assert_eq!(replaced, "a\n<!-- bench x -->\nnew\n<!-- /bench x -->\nb\n");
        assert!(matches!(replace_between(page, "y", "new"), Err(Error::NoMarker { .. })));
    }
}
