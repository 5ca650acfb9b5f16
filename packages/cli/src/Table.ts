import { Console, Effect } from "effect"

/** Whoever wrote a text does not get to write to this terminal. */
export const printable = (text: string) => text.replaceAll(/\p{C}/gu, "\uFFFD")

/** Prints rows of cells under the names of their columns. */
export const printTable = Effect.fnUntraced(function* (
  columns: ReadonlyArray<string>,
  cells: ReadonlyArray<ReadonlyArray<string>>
) {
  const rows = [columns, ...cells]
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const row of rows) {
    const line = row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")
    yield* Console.log(line.trimEnd())
  }
})
