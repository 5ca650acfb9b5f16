/**
 * The part of the catalogue that an address or its headers select. The same for every request of the same address, as
 * the specification wants it: nothing a client does changes its lists.
 */
export interface View {
  /** Names of toolsets; undefined means all of them. */
  readonly toolsets: ReadonlySet<string> | undefined
  readonly readOnly: boolean
}

export const wholeCatalogue: View = { toolsets: undefined, readOnly: false }
