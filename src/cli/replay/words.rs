//! A replay for the eye.

use crate::domain::replay::{Answer, Report, SubjectReport};

/// All of an answer.
pub(super) fn of(answer: &mut Answer) -> String {
    let mut text = format!("from {} to {}\n", answer.from, answer.to);
    let tightest = answer.tightest_limit;
    for (number, report) in (1..).zip(answer.reports_mut()) {
        line(&mut text, "");
        if number > 1 {
            line(&mut text, &format!("candidate {number}"));
        }
        add(&mut text, report);
    }
    match tightest {
        Some(Some(limit)) => line(&mut text, &format!("\nthe tightest limit: {limit}")),
        Some(None) => line(&mut text, "\nno limit refuses so few: its burst is too small"),
        None => {}
    }
    text
}

fn add(text: &mut String, report: &Report) {
    let Report { requests, admitted, refused, was_refused, .. } = report;
    line(
        text,
        &format!("{requests} requests: {admitted} admitted, {refused} refused; {was_refused} were refused then"),
    );
    if let Some(spent) = report.spent_usd {
        line(text, &format!("{spent} USD spent"));
    }
    for not_counted in &report.not_counted {
        line(text, &format!("{} records not counted: {}", not_counted.requests, not_counted.reason));
    }
    if let Some(before) = report.not_yet_made {
        line(
            text,
            &format!(
                "it was made at {}: {} requests of before asked nothing of it (--what-if asks it of the whole time)",
                before.in_force_since, before.requests
            ),
        );
    }
    if report.subjects.is_empty() {
        return;
    }
    let rows: Vec<[String; 5]> = report.subjects.iter().map(row).collect();
    let heads = ["subject", "name", "requests", "refused", "first refused"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&heads]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    for row in [&heads].into_iter().chain(&rows) {
        let cell = |(column, (cell, &width)): (usize, (&String, &usize))| {
            if (2..4).contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        };
        let cells: Vec<String> = row.iter().zip(&widths).enumerate().map(cell).collect();
        line(text, cells.join("  ").trim_end());
    }
    for subject in &report.subjects {
        exhausted(text, subject);
    }
}

fn row(subject: &SubjectReport) -> [String; 5] {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let first = subject.first_refused_at.map_or_else(|| "-".into(), |time| time.to_string());
    [text(&subject.subject), text(&subject.name), subject.requests.to_string(), subject.refused.to_string(), first]
}

/// The periods of a budget in which a subject ran out of money.
fn exhausted(text: &mut String, subject: &SubjectReport) {
    for period in subject.periods.iter().flatten() {
        if let Some(at) = period.exhausted_at {
            let who = subject.name.as_ref().or(subject.subject.as_ref()).map_or("everybody", String::as_str);
            line(text, &format!("{who}: {} USD spent since {}, exhausted at {at}", period.spent_usd, period.since));
        }
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
