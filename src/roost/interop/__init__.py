"""Ways in from other migration tools: their directories are run, and their histories taken over."""

from roost.interop._alembic_service import AlembicMigrationService
from roost.interop._histories import HISTORY_TOOLS, HistoryTool
from roost.interop._importing import import_history

__all__ = ["HISTORY_TOOLS", "AlembicMigrationService", "HistoryTool", "import_history"]
