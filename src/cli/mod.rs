//! The commands of `repro`: the only code that prints.
