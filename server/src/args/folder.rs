//! The commands about what is kept in a data folder.

use std::path::PathBuf;

use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_server::admin::Ask;

/// Where, and how it is shown.
#[derive(Debug, clap::Args)]
pub struct FolderArgs {
    /// The folder that the server keeps uploads and files in; LONGHAUL_DATA if it is not said. A server may run on it
    /// meanwhile, and answers then.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Write a JSON object a line, for programs: sizes are bytes, times milliseconds since 1970.
    #[arg(long)]
    pub json: bool,
}

/// Open uploads.
#[derive(Debug, clap::Args)]
pub struct UploadsArgs {
    #[command(flatten)]
    pub folder: FolderArgs,

    /// Only those of this owner.
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,

    /// End this upload instead, whosever it is: what came of it is gone. Without --yes it is only shown.
    #[arg(long, value_name = "ID", conflicts_with = "owner")]
    pub cancel: Option<UploadId>,

    /// Do it.
    #[arg(long, requires = "cancel")]
    pub yes: bool,
}

/// Files.
#[derive(Debug, clap::Args)]
pub struct FilesArgs {
    #[command(flatten)]
    pub folder: FolderArgs,

    /// Only those of this owner.
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,

    /// Delete this file instead, whosever it is. Without --yes it is only shown.
    #[arg(long, value_name = "ID", conflicts_with = "owner")]
    pub delete: Option<FileId>,

    /// Do it.
    #[arg(long, requires = "delete")]
    pub yes: bool,
}

/// A sweep.
#[derive(Debug, clap::Args)]
pub struct SweepArgs {
    #[command(flatten)]
    pub folder: FolderArgs,

    /// Only tell what would be removed.
    #[arg(long)]
    pub dry_run: bool,
}

/// A look at every byte.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub folder: FolderArgs,

    /// Read no more than so many bytes a second, such as `50000000`, so that others have some of the disk.
    #[arg(long, value_name = "BYTES", value_parser = super::parse::parse_rate)]
    pub rate: Option<u64>,
}

impl UploadsArgs {
    /// What they ask.
    pub fn ask(&self) -> Ask {
        match self.cancel {
            Some(id) => Ask::Cancel { id, is_sure: self.yes },
            None => Ask::Uploads { owner: self.owner.clone() },
        }
    }
}

impl FilesArgs {
    /// What they ask.
    pub fn ask(&self) -> Ask {
        match self.delete {
            Some(id) => Ask::Delete { id, is_sure: self.yes },
            None => Ask::Files { owner: self.owner.clone() },
        }
    }
}
