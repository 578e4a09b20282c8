"""`pk__any_of=ids`: like `pk__in`, for any number of ids, which are sent as one array."""

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Lookup, UUIDField
from django.db.models.sql.compiler import SQLCompiler

from search.models.sql_statements import id_array

if TYPE_CHECKING:
    _Lookup = Lookup[Iterable[uuid.UUID]]
else:
    _Lookup = Lookup


@UUIDField.register_lookup
class AnyOf(_Lookup):
    """`= ANY(array)`: an `IN` of 10,000 values takes longer to write and to parse than the rows take to change. Django
    looks at each value of a list or tuple, not at a set's."""

    lookup_name = "any_of"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        column, values = self.process_lhs(compiler, connection)
        if isinstance(self.rhs, Expression):
            ids, more_values = compiler.compile(self.rhs)
            return f"{column} = ANY({ids})", [*values, *more_values]
        return f"{column} = ANY(%s::uuid[])", [*values, id_array(self.rhs)]
