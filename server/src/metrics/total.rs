//! A counter as Prometheus' text format has it.
//!
//! The library writes OpenMetrics, in which the samples of a counter have another name than its
//! description. `promtool check metrics` takes those for two things, one of them undescribed, and the
//! older format has one name for both.

use std::fmt;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Counts up. Its name ends in `_total`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total(Counter);

impl Total {
    pub(crate) fn add(&self, more: u64) {
        self.0.inc_by(more);
    }
}

impl From<Counter> for Total {
    fn from(counter: Counter) -> Self {
        Self(counter)
    }
}

impl EncodeMetric for Total {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        // As a gauge is written: a name and a number.
        encoder.encode_gauge(&self.0.get())
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Total {
    const TYPE: MetricType = MetricType::Counter;
}
