"""Calendar days and clock times: days later, weekdays, days between, minutes between, the first and the last date of a table."""

from __future__ import annotations

import datetime
from decimal import Decimal

from synth.embedded.draws import Draw
from synth.embedded.operations import sql
from synth.embedded.plan import Args, Operation, say
from synth.embedded.values import WEEKDAYS, Day, Name, Quantity, Span, Table, Unfit, read_day, show_day

LATER = (
    *say("np", "the date {n} {span} [after {that}|later]", dir="later"),
    *say("np", "the date {n} {span} [before {that}|earlier]", dir="earlier"),
    *say("ask", "[what date|which day|what day] is {n} {span} after {that}", "what is the date {n} {span} after {that}",
         "[what date|which day] comes {n} {span} later", dir="later"),
    *say("ask", "[what date|which day|what day] is {n} {span} before {that}", "what was the date {n} {span} before {that}",
         "[what date|which day] was {n} {span} earlier", dir="earlier"),
    *say("do", "add {n} {span} to {it}", "[count|go] {n} {span} [forward|ahead] from {it}", "move {it} forward by {n} {span}", dir="later"),
    *say("do", "[take|subtract] {n} {span} [off|from] {it}", "[count|go] {n} {span} back from {it}", "move {it} back by {n} {span}", dir="earlier"),
)  # fmt: skip


def civil(number: int) -> datetime.date:
    """The day of a day number (0 is 1 March of the year 0), by counting eras, centuries and months."""
    era, rest = divmod(number, 146097)
    year_of_era = (rest - rest // 1460 + rest // 36524 - rest // 146096) // 365
    day_of_year = rest - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return datetime.date(year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1)


def serial(day: datetime.date) -> int:
    """The inverse of `civil`."""
    year = day.year - (day.month <= 2)
    era, year_of_era = divmod(year, 400)
    shifted = (day.month + 9) % 12
    day_of_year = (153 * shifted + 2) // 5 + day.day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year


def _draw_later(day: Day, draw: Draw) -> Args:
    return {
        "n": str(draw.between(2, 90)),
        "span": draw.pick(("days", "days", "weeks")),
        "dir": draw.pick(("later", "later", "earlier")),
    }


def _shift(args: Args) -> int:
    days = int(args["n"]) * (7 if args["span"] == "weeks" else 1)
    if days > 100_000:
        raise Unfit("too far")
    return days if args["dir"] == "later" else -days


def _later(day: Day, args: Args) -> Day:
    return Day(day.date + datetime.timedelta(days=_shift(args)))


def _later_again(day: Day, args: Args) -> Day:
    return Day(civil(serial(day.date) + _shift(args)))


def _explain_later(before: Day, args: Args, after: Day) -> str:
    return f"{show_day(before.date)} {'+' if args['dir'] == 'later' else '-'} {args['n']} {args['span']} = {show_day(after.date)}"


WEEKDAY = (
    *say("np", "the [weekday|day of the week] of {that}", "the [weekday|day of the week] on which {that} falls"),
    *say(
        "ask",
        "[what|which] [day of the week|weekday] is {that}",
        "on [what|which] [day of the week|weekday] does {that} fall",
    ),
    *say("do", "name the [weekday|day of the week] of {it}", "say which [weekday|day of the week] {that} is"),
)


def _draw_nothing(value: object, draw: Draw) -> Args:
    return {}


def _weekday(day: Day, args: Args) -> Name:
    return Name(WEEKDAYS[day.date.weekday()])


def _weekday_again(day: Day, args: Args) -> Name:
    """Zeller's congruence."""
    month, year = (day.date.month, day.date.year) if day.date.month > 2 else (day.date.month + 12, day.date.year - 1)
    h = (day.date.day + 13 * (month + 1) // 5 + year % 100 + year % 100 // 4 + year // 100 // 4 + 5 * (year // 100)) % 7
    return Name(WEEKDAYS[(h + 5) % 7])


UNTIL = (
    *say("np", "the number of days from {that} [to|until] {date}", "the number of days between {that} and {date}"),
    *say("ask", "how many days [lie between|are there between] {that} and {date}", "how many days is it from {that} [to|until] {date}",
         "how many days after {that} is {date}"),
    *say("do", "count the days from {it} [to|until] {date}", "count how many days [it is|there are] from {it} [to|until] {date}"),
)  # fmt: skip


def _draw_until(day: Day, draw: Draw) -> Args:
    return {"when": show_day(day.date + datetime.timedelta(days=draw.between(9, 200)))}


def _until(day: Day, args: Args) -> Quantity:
    days = (read_day(args["when"]) - day.date).days
    if days <= 0:
        raise Unfit("not later")
    return Quantity(Decimal(days), "days")


def _until_again(day: Day, args: Args) -> Quantity:
    return Quantity(Decimal(serial(read_day(args["when"])) - serial(day.date)), "days")


FIRST = (
    *say("ask", "[when|on which date|on what day] was the [first|earliest] {row} {datecol}", order="asc"),
    *say("ask", "[when|on which date|on what day] was the [last|latest] {row} {datecol}", order="desc"),
    *say("np", "the date on which the [first|earliest] {row} was {datecol}", order="asc"),
    *say("np", "the date on which the [last|latest] {row} was {datecol}", order="desc"),
    *say("do", "look up when the [first|earliest] {row} was {datecol}", order="asc"),
    *say("do", "look up when the [last|latest] {row} was {datecol}", order="desc"),
)


def _draw_first(table: Table, draw: Draw) -> Args | None:
    columns = [column.name for column in table.columns if column.kind == "date"]
    return {"col": columns[0], "order": draw.pick(("asc", "desc"))} if columns and len(table.rows) > 2 else None


def _first(table: Table, args: Args) -> Day:
    place = table.at(args["col"])
    days = [cell for row in table.rows if isinstance(cell := row[place], datetime.date)]
    if len(days) < 2:
        raise Unfit("no dates")
    return Day(min(days) if args["order"] == "asc" else max(days))


def _first_sql(table: Table, args: Args) -> Day:
    what = "min" if args["order"] == "asc" else "max"
    return Day(read_day(sql.query(table, f"select {what}({sql.place(table, args['col'])}) from t")[0][0]))


BETWEEN = (
    *say("np", "the [number of minutes|time in minutes] between the two times", "the [time|span] from the first to the second time in minutes"),
    *say("ask", "how many minutes [lie between the two times|are there between the two times|pass from the first time to the second]",
         "how long is it from the first time to the second in minutes"),
    *say("do", "count the minutes [between the two times|from the first time to the second]", "say how many minutes lie between the two times",
         "[convert|turn] the two times into a duration in minutes"),
)  # fmt: skip


def _between(span: Span, args: Args) -> Quantity:
    return Quantity(Decimal(span.end - span.start), "minutes")


def _between_again(span: Span, args: Args) -> Quantity:
    """By the clock: whole hours forward, then minutes."""
    hours, minutes = span.end // 60 - span.start // 60, span.end % 60 - span.start % 60
    return Quantity(Decimal(hours * 60 + minutes), "minutes")


def _explain_between(before: Span, args: Args, after: Quantity) -> str:
    hours, minutes = divmod(before.end - before.start, 60)
    return f"That is {hours} h {minutes} min, or {hours} × 60 + {minutes} = {after.value} minutes"


OPERATIONS = (
    Operation("shift_date", "day", "day", "change", LATER, _draw_later, _later, _later_again, lambda a: f"{a['n']} {a['span']} {a['dir']}", _explain_later),
    Operation("weekday", "day", "name", "reduce", WEEKDAY, _draw_nothing, _weekday, _weekday_again, lambda a: "weekday"),
    Operation("days_until", "day", "quantity", "reduce", UNTIL, _draw_until, _until, _until_again, lambda a: "number of days"),
    Operation("edge_date", "table", "day", "reduce", FIRST, _draw_first, _first, _first_sql,
              lambda a: "first date" if a["order"] == "asc" else "last date"),
    Operation("minutes_between", "span", "quantity", "reduce", BETWEEN, _draw_nothing, _between, _between_again,
              lambda a: "time between", _explain_between),
)  # fmt: skip
