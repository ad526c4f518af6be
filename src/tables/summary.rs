//! Summary statistics of the entries of a cell.

use crate::value::{Array, Axis, Dataset};

/// A summary statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    Mean,
    Std,
    Median,
    Min,
    Max,
    Sum,
    N,
    Sem,
}

impl Statistic {
    pub const ALL: [Statistic; 8] = [
        Statistic::Mean,
        Statistic::Std,
        Statistic::Median,
        Statistic::Min,
        Statistic::Max,
        Statistic::Sum,
        Statistic::N,
        Statistic::Sem,
    ];

    /// Returns its name in formats.
    pub fn name(self) -> &'static str {
        match self {
            Statistic::Mean => "mean",
            Statistic::Std => "std",
            Statistic::Median => "median",
            Statistic::Min => "min",
            Statistic::Max => "max",
            Statistic::Sum => "sum",
            Statistic::N => "n",
            Statistic::Sem => "sem",
        }
    }

    pub fn named(name: &str) -> Option<Statistic> {
        Statistic::ALL.into_iter().find(|statistic| statistic.name() == name)
    }
}

/// The name of the array that counts the NaN entries of a cell; stored only if there are any.
const NAN: &str = "nan";

/// Summary statistics of a cell; NaN if there are too few entries, or if an entry is NaN and NaN is not skipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    values: [f64; Statistic::ALL.len()],
    /// The number of NaN entries.
    nan: f64,
}

impl Summary {
    /// Summarizes all entries: if one is NaN, all statistics are NaN except `n`, which counts the others. `std` is the sample standard
    /// deviation (n - 1); `sem` is std / sqrt(n); the median of an even number of entries is the mean of the two middle ones. An empty
    /// `sum` is 0.
    pub fn from_entries(entries: &[f64]) -> Summary {
        let mut summary = Summary::skipping_nan(entries);
        if summary.nan > 0.0 {
            let n = summary.get(Statistic::N);
            summary.values = [f64::NAN; Statistic::ALL.len()];
            summary.values[Statistic::N as usize] = n;
        }
        summary
    }

    /// Summarizes the entries that are not NaN.
    pub fn skipping_nan(entries: &[f64]) -> Summary {
        let mut sorted: Vec<f64> = entries.iter().copied().filter(|entry| !entry.is_nan()).collect();
        let n = sorted.len() as f64;
        let sum: f64 = sorted.iter().fold(0.0, |sum, entry| sum + entry);
        let mean = sum / n;
        let squares: f64 = sorted.iter().map(|entry| (entry - mean) * (entry - mean)).sum();
        let std = if n > 1.0 { (squares / (n - 1.0)).sqrt() } else { f64::NAN };
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
        let (lower, upper) = (at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2));
        let median = if lower == upper { lower } else { 0.5 * (lower + upper) };
        let value = |statistic| match statistic {
            Statistic::Mean => mean,
            Statistic::Std => std,
            Statistic::Median => median,
            Statistic::Min => at(0),
            Statistic::Max => at(sorted.len().wrapping_sub(1)),
            Statistic::Sum => sum,
            Statistic::N => n,
            Statistic::Sem => std / n.sqrt(),
        };
        let nan = (entries.len() - sorted.len()) as f64;
        Summary { values: Statistic::ALL.map(value), nan }
    }

    /// The number of NaN entries.
    pub fn nan(&self) -> f64 {
        self.nan
    }

    pub fn get(&self, statistic: Statistic) -> f64 {
        self.values[statistic as usize]
    }

    /// Returns named arrays of one number each, with an axis of length one for each row key, so that a cell records its row.
    pub fn dataset(&self, row: &[(String, String)]) -> Dataset {
        let mut dataset = Dataset::default();
        let axes: Vec<Axis> = row.iter().map(|(key, value)| Axis::labels(key, vec![value.clone()])).collect();
        for statistic in Statistic::ALL {
            if let Ok(array) = Array::f64(axes.clone(), vec![self.get(statistic)]) {
                dataset.insert(statistic.name(), array);
            }
        }
        if self.nan > 0.0
            && let Ok(array) = Array::f64(axes, vec![self.nan])
        {
            dataset.insert(NAN, array);
        }
        dataset
    }

    /// Reads the statistics and coordinates of a cell; `None` if the dataset is not a cell.
    pub fn from(cell: &Dataset) -> Option<(Summary, Vec<String>)> {
        let mut values = [f64::NAN; Statistic::ALL.len()];
        for (slot, statistic) in values.iter_mut().zip(Statistic::ALL) {
            *slot = cell.get(statistic.name())?.single()?;
        }
        let coordinates = cell.get(Statistic::N.name())?.axes.iter().map(|axis| axis.coords.label(0)).collect();
        let nan = cell.get(NAN).and_then(Array::single).unwrap_or(0.0);
        Some((Summary { values, nan }, coordinates))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(entries: &[f64]) -> [f64; 8] {
        Statistic::ALL.map(|statistic| Summary::skipping_nan(entries).get(statistic))
    }

    #[test]
    fn aggregates_over_nan_are_nan_and_n_counts_the_numbers() {
        let summary = Summary::from_entries(&[1.0, f64::NAN, 2.0]);
        for statistic in Statistic::ALL {
            match statistic {
                Statistic::N => assert_eq!(summary.get(statistic), 2.0),
                _ => assert!(summary.get(statistic).is_nan(), "{}", statistic.name()),
            }
        }
        assert_eq!(summary.nan(), 1.0);
        assert_eq!(Summary::from_entries(&[1.0, 2.0]), Summary::skipping_nan(&[1.0, 2.0]));
        let (read, _) = Summary::from(&summary.dataset(&[])).unwrap();
        assert_eq!((read.nan(), read.get(Statistic::N)), (1.0, 2.0));
    }

    #[test]
    fn skipped_nan_is_left_out() {
        let [mean, std, median, min, max, sum, n, sem] = all(&[4.0, f64::NAN, 1.0, 2.0, 9.0, f64::NAN]);
        assert_eq!([mean, median, min, max, sum, n], [4.0, 3.0, 1.0, 9.0, 16.0, 4.0]);
        // Deviations 0, -3, -2, 5: the sum of squares is 38, divided by n - 1 = 3.
        assert!((std - (38.0f64 / 3.0).sqrt()).abs() < 1e-15 && (sem - std / 2.0).abs() < 1e-15);
    }

    #[test]
    fn spread_needs_two_entries_and_mean_needs_one() {
        let [mean, std, median, .., n, sem] = all(&[2.5]);
        assert_eq!([mean, median, n], [2.5, 2.5, 1.0]);
        assert!(std.is_nan() && sem.is_nan());
        let [mean, std, median, min, max, sum, n, sem] = all(&[f64::NAN]);
        assert!([mean, std, median, min, max, sem].iter().all(|value| value.is_nan()));
        assert_eq!([sum, n], [0.0, 0.0]);
    }

    #[test]
    fn a_cell_is_read_back_with_its_coordinates() {
        let summary = Summary::from_entries(&[1.0, 2.0]);
        let row = [("scheme".to_string(), "k-hot".to_string()), ("monosemantic".to_string(), "1".to_string())];
        let read = Summary::from(&summary.dataset(&row));
        assert_eq!(read, Some((summary, vec!["k-hot".to_string(), "1".to_string()])));
        assert_eq!(Summary::from(&Dataset::default()), None);
    }
}
