//! Reads a profile of callgrind: <https://valgrind.org/docs/manual/cl-format.html>.

use std::collections::BTreeMap;

/// Where metrics are made.
const METRICS: [&str; 4] = [
    "crossdock_api::figures::",
    "crossdock_runtime::metrics::",
    "crossdock_runtime::heat::",
    "prometheus_client::metrics::",
];

/// Instructions of some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Counted {
    pub(super) all: f64,
    /// Those of metrics, and of what they call.
    pub(super) metrics: f64,
}

impl Counted {
    /// Adds up what a profile says.
    pub(super) fn read(profile: &str) -> Self {
        let total = profile
            .lines()
            .find_map(|line| line.strip_prefix("totals: "));
        let mut names = Names::default();
        let (mut caller, mut callee, mut is_call) = (false, false, false);
        let mut metrics = 0.0;
        for line in profile.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                caller = names.is_metrics(name);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                callee = names.is_metrics(name);
            } else if line.starts_with("calls=") {
                is_call = true;
            } else if std::mem::take(&mut is_call) && callee && !caller {
                // Its last number is what the call took in all.
                let took = line.rsplit(' ').next().unwrap();
                metrics += took.parse::<f64>().unwrap();
            }
        }
        Self {
            all: total.unwrap().trim().parse().unwrap(),
            metrics,
        }
    }

    /// Without so many times what another counted.
    pub(super) fn less(&self, other: &Self, times: f64) -> Self {
        Self {
            all: self.all - times * other.all,
            metrics: self.metrics - times * other.metrics,
        }
    }
}

/// Names of functions: each is written out once and then known by its number.
#[derive(Default)]
struct Names<'a>(BTreeMap<&'a str, bool>);

impl<'a> Names<'a> {
    fn is_metrics(&mut self, text: &'a str) -> bool {
        let (number, name) = text.split_once(' ').unwrap_or((text, ""));
        let known = self.0.entry(number).or_default();
        if !name.is_empty() {
            // How labels are compared is called from within.
            let is_trait = name.starts_with('<') && name.contains(" as ");
            *known = !is_trait && METRICS.iter().any(|part| name.contains(part));
        }
        *known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_metrics_call_is_theirs_and_counted_once() {
        let profile = "events: Ir\n\
             fn=(1) main\n+3 5\ncfn=(2) <crossdock_api::figures::Figures>::answered\ncalls=2 0\n+2 70\n\
             cfn=(3) write\ncalls=1 0\n* 9\n\n\
             fn=(2)\n0 20\ncfn=(4) prometheus_client::metrics::histogram::Histogram::observe\ncalls=2 0\n0 50\n\n\
             fn=(3)\n0 9\n\nfn=(4)\n0 50\n\ntotals: 84\n";
        let expected = Counted {
            all: 84.0,
            metrics: 70.0,
        };
        assert_eq!(Counted::read(profile), expected);
    }
}
