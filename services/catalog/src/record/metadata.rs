//! What people say about a dataset, and their edits of it.

/// What people say about a dataset, as opposed to what its rows say. An empty field means that nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// A title.
    pub title: String,
    /// A description, plain text.
    pub description: String,
    /// The licence, by name or title.
    pub license: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Where the data come from, as the publisher tells.
    pub origins: Vec<String>,
}

/// A field of the metadata that a person can edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EditedField {
    /// The title.
    Title,
    /// The description.
    Description,
    /// The tags.
    Tags,
}

/// New values for what a person can edit; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// The title.
    pub title: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The tags.
    pub tags: Option<Vec<String>>,
    /// Whether the dataset is hidden.
    pub hidden: Option<bool>,
}

impl Metadata {
    /// These metadata, but with the `edited` fields as `current` has them.
    pub(super) fn keeping(mut self, edited: &[EditedField], current: &Self) -> Self {
        for field in edited {
            match field {
                EditedField::Title => self.title.clone_from(&current.title),
                EditedField::Description => self.description.clone_from(&current.description),
                EditedField::Tags => self.tags.clone_from(&current.tags),
            }
        }
        self
    }
}

impl EditedField {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Title, Self::Description, Self::Tags];

    /// Its path in an update mask.
    pub fn path(self) -> &'static str {
        match self {
            Self::Title => "metadata.title",
            Self::Description => "metadata.description",
            Self::Tags => "metadata.tags",
        }
    }
}

impl Edit {
    /// Puts the new values into `metadata`, and the fields they belong to into `edited`.
    pub(super) fn apply(self, metadata: &mut Metadata, edited: &mut Vec<EditedField>) {
        if let Some(title) = self.title {
            metadata.title = title;
            edited.push(EditedField::Title);
        }
        if let Some(description) = self.description {
            metadata.description = description;
            edited.push(EditedField::Description);
        }
        if let Some(tags) = self.tags {
            metadata.tags = tags;
            edited.push(EditedField::Tags);
        }
        edited.sort_unstable();
        edited.dedup();
    }
}
