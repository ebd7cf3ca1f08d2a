//! Profiles every row of a dataset: jobs and profiles.
