//! Group: who counts, how far they are, and how long until uncounted ratings are gone.

use super::duration;
use crate::doctor::finding::{Finding, Severity};
use crate::doctor::state::{ClusterState, Progress, Role, Topic};
use crate::queue::inspect::{Group, GroupMember};

/// Less than this, in milliseconds, until ratings are lost is too little for a person to act.
const SOON_MS: i64 = 86_400_000;

pub(super) fn judge(state: &ClusterState) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ok(group) = &state.group {
        findings.extend(members(state, group.as_ref()));
    }
    if let Ok(progress) = &state.progress {
        findings.extend(lost(state, progress));
        findings.extend(beyond(state, progress));
        findings.extend(time_left(state, progress));
    }
    findings
}

fn about(
    state: &ClusterState,
    severity: Severity,
    check: &'static str,
    setting: (&str, String),
    why: impl Into<String>,
) -> Finding {
    Finding::new(severity, check, format!("group {}", state.ours.group), setting, why)
}

/// Ratings that the group has not counted.
fn lag(state: &ClusterState) -> i64 {
    let partitions = state.progress.as_deref().unwrap_or_default();
    partitions.iter().map(|p| p.end - p.committed.unwrap_or(p.start).clamp(p.start, p.end)).sum()
}

fn members(state: &ClusterState, group: Option<&Group>) -> Vec<Finding> {
    let members = group.map_or(&[][..], |group| &group.members);
    if members.is_empty() {
        // No topic, no consumer: nothing to say yet. And a user without rights sees a group that
        // nobody is in, but is told about the rights when asking how far it is.
        let topic = state.topic(Role::Ratings).and_then(Topic::partitions);
        if topic.is_none() || state.progress.is_err() {
            return Vec::new();
        }
        let lag = lag(state);
        let severity = if lag > 0 { Severity::Warning } else { Severity::Note };
        let why = format!("nobody counts; offsets that wait to be counted: {lag}");
        let finding = about(state, severity, "group-members", ("members", "0".to_owned()), why);
        let run =
            format!("erboh consumer --brokers {} --group {}", state.ours.brokers, state.ours.group);
        return vec![finding.fix(crate::doctor::finding::Fix::Command { run })];
    }
    let mut findings = Vec::new();
    let fixed = members.iter().filter(|member| is_static(member)).count();
    let state_name = group.map_or("", |group| group.state.as_str());
    let value = format!("{} ({state_name}), {fixed} static", members.len());
    let partitions = state.topic(Role::Ratings).and_then(Topic::partitions).map_or(0, <[_]>::len);
    let idle = members.len().saturating_sub(partitions);
    if idle > 0 && partitions > 0 {
        let why = format!(
            "{partitions} partitions keep {partitions} consumers busy; {idle} only show the board"
        );
        findings.push(about(state, Severity::Note, "group-members", ("members", value), why));
    } else if fixed == 0 && members.len() > 1 {
        let why = "a consumer that restarts hands its partitions over and back; with a name of \
                   its own it keeps them over a quick restart";
        let finding = about(state, Severity::Note, "static-members", ("members", value), why);
        findings.push(finding.advise("give every consumer an --instance-id of its own"));
    }
    findings
}

/// The coordinator begins the id of a static member with its instance id, of another one with what
/// its client calls itself.
fn is_static(member: &GroupMember) -> bool {
    !member.id.starts_with(&format!("{}-", member.client))
}

/// Ratings that retention took before they were counted.
fn lost(state: &ClusterState, progress: &[Progress]) -> Vec<Finding> {
    let gone = progress.iter().filter_map(|p| Some((p, p.committed.filter(|c| *c < p.start)?)));
    let finding = |(partition, committed): (&Progress, i64)| {
        let Progress { partition, start, .. } = partition;
        let value = format!("{committed}, the log starts at {start}");
        let why = format!(
            "up to {} ratings of partition {partition} are gone uncounted: retention took them, or \
             somebody deleted them",
            start - committed
        );
        let setting = ("committed offset", value);
        about(state, Severity::Danger, "ratings-lost", setting, why).advise(
            "if they cannot be put back, start the consumers with --on-gap=record: they go on \
             behind the gap, and every answer says \"exact\": false",
        )
    };
    gone.map(finding).collect()
}

/// A group that is further than its log: the log is another one.
fn beyond(state: &ClusterState, progress: &[Progress]) -> Vec<Finding> {
    let gone = progress.iter().filter_map(|p| Some((p, p.committed.filter(|c| *c > p.end)?)));
    let finding = |(partition, committed): (&Progress, i64)| {
        let Progress { partition, end, .. } = partition;
        let value = format!("{committed}, the log ends at {end}");
        let why = format!(
            "partition {partition} has fewer records than were counted: the topic was made anew, \
             restored, or cut by an unclean election, and counted ratings are gone"
        );
        about(state, Severity::Danger, "log-shorter", ("committed offset", value), why).advise(
            "if that was meant, start the consumers with --on-log-change=restart: they count the \
             new log from its start",
        )
    };
    gone.map(finding).collect()
}

/// How long until retention takes the oldest uncounted rating.
fn time_left(state: &ClusterState, progress: &[Progress]) -> Option<Finding> {
    let topic = state.topic(Role::Ratings)?;
    let retention_ms = topic.number("retention.ms").filter(|ms| *ms >= 0)?;
    let (oldest_ms, partition) =
        progress.iter().filter_map(|p| Some((p.oldest_ms?, p.partition))).min()?;
    let age_ms = (state.now_ms - oldest_ms).max(0);
    let left_ms = retention_ms - age_ms;
    // Behind by moments is how counting works; and time that is mostly left is no news.
    if left_ms > retention_ms / 2 {
        return None;
    }
    let severity = if left_ms < SOON_MS { Severity::Danger } else { Severity::Warning };
    let when = match left_ms {
        ..=0 => "from now on".to_owned(),
        left => format!("in {}", duration(left)),
    };
    let value = format!("{} old in partition {partition}", duration(age_ms));
    let why = format!(
        "retention.ms of {} is {}: {when} ratings are lost uncounted",
        topic.name,
        duration(retention_ms)
    );
    let finding =
        about(state, severity, "lag-against-retention", ("oldest uncounted rating", value), why);
    let longer = retention_ms.max(604_800_000).saturating_mul(2).to_string();
    let fixes = crate::doctor::finding::set_on_topic(state, topic, "retention.ms", &longer);
    Some(
        finding
            .advise("get the consumers to count, and meanwhile keep ratings longer")
            .fix_all(fixes),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::rules::sample::{NOW_MS, check, set};
    use crate::queue::inspect::Trouble;

    fn first(state: &mut ClusterState) -> &mut Progress {
        &mut state.progress.as_mut().unwrap()[0]
    }

    #[test]
    fn who_counts_is_told() {
        check(judge, |_| {}, &[]);
        let nobody = |state: &mut ClusterState| state.group = Ok(None);
        check(judge, nobody, &[("group-members", Severity::Note)]);
        let behind = |state: &mut ClusterState| {
            nobody(state);
            first(state).committed = Some(99);
        };
        check(judge, behind, &[("group-members", Severity::Warning)]);
        let new = |state: &mut ClusterState| {
            nobody(state);
            state.topics[0].copies = Ok(None);
        };
        check(judge, new, &[]);
        let hidden = |state: &mut ClusterState| {
            nobody(state);
            let (what, reason) = (String::new(), String::new());
            state.progress = Err(Trouble { what, reason, missing: None });
        };
        check(judge, hidden, &[]);
    }

    #[test]
    fn members_are_counted() {
        let members = |ids: &'static [&'static str]| {
            move |state: &mut ClusterState| {
                let group = state.group.as_mut().unwrap().as_mut().unwrap();
                let member = group.members.remove(0);
                let named = |id: &&str| GroupMember { id: (*id).into(), ..member.clone() };
                group.members = ids.iter().map(named).collect();
            }
        };
        check(judge, members(&["erboh-1", "erboh-2"]), &[("static-members", Severity::Note)]);
        check(judge, members(&["a-1", "erboh-2"]), &[]);
        check(judge, members(&["a-1", "b-2", "c-3", "d-4"]), &[("group-members", Severity::Note)]);
    }

    #[test]
    fn ratings_that_are_gone_are_told() {
        let at = |committed, start, end| {
            move |state: &mut ClusterState| {
                let one = first(state);
                (one.committed, one.start, one.end) = (Some(committed), start, end);
            }
        };
        check(judge, at(7, 7, 9), &[]);
        check(judge, at(6, 7, 9), &[("ratings-lost", Severity::Danger)]);
        check(judge, at(9, 7, 9), &[]);
        check(judge, at(10, 7, 9), &[("log-shorter", Severity::Danger)]);
    }

    #[test]
    fn the_time_until_ratings_are_lost_is_told() {
        let left = |left_ms: i64| {
            move |state: &mut ClusterState| {
                let retention_ms = 8 * SOON_MS;
                set(state, Role::Ratings, "retention.ms", &retention_ms.to_string());
                first(state).oldest_ms = Some(NOW_MS - (retention_ms - left_ms));
            }
        };
        let found = |severity| [("lag-against-retention", severity)];
        check(judge, left(4 * SOON_MS + 1), &[]);
        check(judge, left(4 * SOON_MS), &found(Severity::Warning));
        check(judge, left(SOON_MS), &found(Severity::Warning));
        check(judge, left(SOON_MS - 1), &found(Severity::Danger));
        check(judge, left(-1), &found(Severity::Danger));
        let forever = |state: &mut ClusterState| {
            left(-1)(state);
            set(state, Role::Ratings, "retention.ms", "-1");
        };
        check(judge, forever, &[]);
    }
}
