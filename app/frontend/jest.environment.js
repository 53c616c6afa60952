import { TestEnvironment } from "jest-environment-jsdom";

/** jsdom has no fetch. The tests bring their own and answer with the real Response, which Node has. */
export default class extends TestEnvironment {
  /** @override */
  async setup() {
    await super.setup();
    this.global.Response = Response;
  }
}
