/** Half of the seeds; the other half runs beside it. See README.md. */
import { describeSeeds } from './seeds.ts'

describeSeeds(1, 2)
