import { createHash } from "node:crypto";

export interface Step {
  id: string;
  agent: string;
  needs?: string[];
  task: (outputs: Map<string, string>) => string;
}

export type Outcome =
  | { status: "succeeded"; output: string; costUsd: number }
  | { status: "failed"; error: Error }
  | { status: "skipped"; because: string };

type RunAgent = (agent: string, task: string, signal: AbortSignal) => Promise<{ text: string; costUsd: number }>;

/** Orders steps so that each comes after all that it needs. */
export function topologicalOrder(steps: readonly Step[]): Step[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const state = new Map<string, "visiting" | "done">();
  const ordered: Step[] = [];

  const visit = (step: Step, path: string[]): void => {
    if (state.get(step.id) === "done") return;
    if (state.get(step.id) === "visiting") {
      throw new Error(`steps form a circle: ${[...path, step.id].join(" -> ")}`);
    }
    state.set(step.id, "visiting");
    for (const need of step.needs ?? []) {
      const required = byId.get(need);
      if (!required) throw new Error(`step ${step.id} needs ${need}, which does not exist`);
      visit(required, [...path, step.id]);
    }
    state.set(step.id, "done");
    ordered.push(step);
  };

  steps.forEach((step) => visit(step, []));
  return ordered;
}

export async function runWorkflow(steps: readonly Step[], runAgent: RunAgent, signal: AbortSignal): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const outputs = new Map<string, string>();
  for (const step of topologicalOrder(steps)) {
    const broken = (step.needs ?? []).find((need) => outcomes.get(need)?.status !== "succeeded");
    if (broken !== undefined) {
      outcomes.set(step.id, { status: "skipped", because: `${broken} did not succeed` });
      continue;
    }
    try {
      const { text, costUsd } = await runAgent(step.agent, step.task(outputs), signal);
      outputs.set(step.id, text);
      outcomes.set(step.id, { status: "succeeded", output: text, costUsd });
    } catch (error) {
      if (signal.aborted) throw error;
      outcomes.set(step.id, { status: "failed", error: error instanceof Error ? error : new Error(String(error)) });
    }
  }
  return outcomes;
}

export const cacheKey = (agent: string, task: string): string =>
  createHash("sha256").update(JSON.stringify([agent, task])).digest("hex").slice(0, 32);
