//! What the pages say, as rendered HTML: what was sent, what was not, and nobody's markup.

use askama::Template as _;
use erboh::producer::page::hit::{Page, Row};
use erboh::queue::{Placed, SendError, SendResult};
use erboh::rating::{Battle, Rating, RatingId, Score, Voice};

fn row(voice1: &str, score: Score, result: SendResult) -> Row {
    let id = RatingId::new();
    let rating = Rating {
        id: Some(id),
        battle: Battle::parse("Moses vs Santa Claus").expect("a battle"),
        voice1: Voice::parse(voice1).expect("a voice"),
        voice2: Voice::parse("Big Bird").expect("a voice"),
        score,
        rater: None,
    };
    Row { rating: (id, rating), result }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands next to results that are errors")]
fn at(partition: i32, offset: i64) -> SendResult {
    Ok(Placed { partition, offset })
}

fn page(rows: &[Row]) -> String {
    Page::new(rows, "erboh-ratings", Some("http://board.example/?a=1&b=2"))
        .render()
        .expect("a page")
}

/// The cells of each row of the page's table, without markup.
pub(crate) fn cells(html: &str) -> Vec<Vec<String>> {
    let body =
        html.split("<tbody>").nth(1).expect("a table").split("</tbody>").next().expect("its end");
    body.split("<tr ")
        .skip(1)
        .map(|row| row.split("</t").map(text).filter(|t| !t.is_empty()).collect())
        .collect()
}

/// The ids of the ratings in the page's table.
pub(crate) fn ids(html: &str) -> Vec<String> {
    let rows = html.split(r#"data-id=""#).skip(1);
    rows.map(|rest| rest.split('"').next().expect("an id").to_owned()).collect()
}

/// What is left of a piece of HTML when its tags are taken away.
fn text(html: &str) -> String {
    let after_tag =
        |part: &str| part.split_once('>').map_or(String::new(), |(_, text)| text.to_owned());
    html.split('<').skip(1).map(after_tag).collect::<String>().trim().to_owned()
}

#[test]
fn the_page_shows_each_rating_with_its_place_newest_first() {
    let rows = [
        row("Darth Vader", Score::Hated, at(3, 1_234_567)),
        row("Macho Man", Score::Liked, at(0, 7)),
    ];
    let html = page(&rows);
    let expected = [
        ["Moses vs Santa Claus", "Macho Man", "Big Bird", "2 liked", "0", "7"],
        ["Moses vs Santa Claus", "Darth Vader", "Big Bird", "0 hated", "3", "1,234,567"],
    ];
    assert_eq!(cells(&html), expected);
    assert!(html.contains("2 ratings sent"), "{html}");
    for row in &rows {
        assert!(html.contains(&format!(r#"data-id="{}""#, row.rating.0)));
    }
}

#[test]
fn what_was_not_acknowledged_is_shown_as_such() {
    let rows = [
        row("Darth Vader", Score::Hated, at(3, 4)),
        row("Macho Man", Score::Meh, Err(SendError::Unavailable("no broker at x:1".into()))),
        row("Santa Claus", Score::Meh, Err(SendError::Unknown("no answer in 4 s".into()))),
    ];
    let html = page(&rows);
    let cells = cells(&html);
    assert_eq!(cells[0][4..], ["unknown: not acknowledged in time"]);
    assert_eq!(cells[1][4..], ["not sent"]);
    assert_eq!(cells[2][4..], ["3", "4"]);
    assert!(html.contains("1 of 3 ratings sent"), "{html}");
    assert!(html.contains("no answer in 4 s"), "the unknown outcome matters most: {html}");
}

#[test]
fn text_from_outside_is_never_markup() {
    let bad = r#"<script>alert("1")</script>'&"#;
    let html = page(&[
        row(bad, Score::Meh, at(0, 0)),
        row("Macho Man", Score::Meh, Err(SendError::Refused(bad.into()))),
    ]);
    assert!(!html.contains("<script"), "{html}");
    assert!(!html.contains(r#"("1")"#), "{html}");
    assert_eq!(html.matches("&#60;script&#62;").count(), 2, "{html}");
    assert!(html.contains("http://board.example/?a=1&#38;b=2"), "{html}");
}
