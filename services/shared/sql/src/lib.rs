//! SQL databases: pools, migrations, leased work rows, pinned pages, change numbers.
